"""Several addresses: the first healthy one is asked, and all models of an address share it."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from scripted_server import ANSWER, RESET, reply, scripted

from composer.backends.endpoint import Endpoint
from composer.backends.endpoint.faults import EndpointError
from composer.backends.endpoint.transport import replicas, retry
from composer.backends.endpoint.transport.transport import Transport
from composer.values.ledger import LEDGER, Ledger

BODY = {"model": "m", "prompt": "x", "max_tokens": 4}
BUSY = reply({"error": "busy"}, 503)
EMPTY = reply({"error": "pay"}, 402)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(retry, "FIRST", 0.01)
    monkeypatch.setattr(replicas, "COOLDOWN", 0.6)


class Notes(Ledger):
    """Remembers which servers were asked."""

    def __init__(self):
        self.lines = []

    def answered(self, attempt, usage):
        assert usage.calls == 1
        self.lines.append(f"{'first' if attempt.first else 'second'} answered")

    def failed(self, attempt, reason, *, billed):
        assert reason or billed
        self.lines.append(f"{'first' if attempt.first else 'second'} failed")

    def waits(self, seconds):
        assert seconds > 0
        self.lines.append("waits")


def run(first, second, requests=1, pause=0.0, **options):
    """Put requests to two servers with these scripts; give what happened to each, in order."""

    async def main():
        async with scripted(*first) as a, scripted(*second) as b:
            transport = Transport(Endpoint(model="m", url=(a.url, b.url), **options), "A")
            notes = []
            for number in range(requests):
                await asyncio.sleep(pause if number == requests - 1 else 0)
                book = Notes()
                LEDGER.set(book)
                try:
                    assert await transport.post("/completions", BODY, tokens=5) == ANSWER
                except EndpointError as error:
                    book.lines.append(error.message.partition("http")[0])
                notes.append(", ".join(book.lines))
            await transport.close()
            return notes

    return asyncio.run(main())


def test_the_first_address_is_asked_while_it_is_healthy():
    assert run([], [], requests=3) == ["first answered"] * 3


def test_the_next_address_is_asked_at_once_after_a_failure():
    assert run([BUSY], []) == ["first failed, second answered"]


def test_there_is_a_wait_when_all_have_failed():
    expected = "first failed, second failed, waits, first answered"
    assert run([RESET], [BUSY]) == [expected]


def test_an_address_rests_after_several_failures_in_a_row_and_then_comes_first_again():
    last = replicas.FAILURES
    notes = run([BUSY] * last, [], requests=last + 2, pause=0.7)
    assert notes == ["first failed, second answered"] * last + [
        "second answered",
        "first answered",
    ]


def test_an_address_rests_as_long_as_it_asks_to():
    slow = reply({"error": "slow down"}, 429, retry_after_ms=600)
    notes = run([slow], [], requests=3, pause=0.7)
    assert notes == ["first failed, second answered", "second answered", "first answered"]


@pytest.mark.parametrize(
    "empty", [EMPTY, reply({"error": {"message": "no", "code": "insufficient_quota"}}, 429)]
)
def test_an_address_with_an_empty_account_rests(empty):
    assert run([empty], [], requests=2) == ["first failed, second answered", "second answered"]


def test_where_all_accounts_are_empty_nobody_is_asked_again():
    message = "`A`: the account at "
    notes = run([EMPTY], [EMPTY], requests=2)
    assert notes == [f"first failed, second failed, {message}", message]


def test_a_request_that_is_wrong_in_itself_is_put_to_nobody_else():
    (notes,) = run([reply({"error": "no such option"}, 400)], [])
    assert notes == "first failed, `A`: "


def test_models_of_one_address_share_its_connections_and_the_last_one_closes_them():
    async def main():
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(scripted())
            one, two = (Transport(Endpoint(model=m, url=server.url), m) for m in "ab")
            for transport in (one, two, one):
                await transport.post("/completions", BODY, tokens=5)
            await one.close()
            await two.post("/completions", BODY, tokens=5)
            shared = two._replicas[0]
            await two.close()
            assert not replicas._OPEN[asyncio.get_running_loop()]
            return server.connections, shared.connection._client.is_closed()

    assert asyncio.run(main()) == (1, True)


def test_models_of_one_address_share_its_limit_of_requests_at_once():
    open_now, most = 0, 0

    async def slow():
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.01)
        open_now -= 1
        return reply()

    async def main():
        async with scripted(*[slow] * 12) as server:
            models = [Transport(Endpoint(model=m, url=server.url, concurrency=3), m) for m in "ab"]
            await asyncio.gather(
                *(model.post("/completions", BODY, tokens=5) for model in models * 6)
            )
            for model in models:
                await model.close()

    asyncio.run(main())
    assert most == 3

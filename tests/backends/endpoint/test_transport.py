"""Requests to a server that fails in each of the usual ways."""

import asyncio
import sys
from contextlib import aclosing, asynccontextmanager

import pytest
from scripted_server import ANSWER, RESET, events, reply, scripted

from composer.backends.endpoint import Endpoint
from composer.backends.endpoint.faults import BadReplyError, EndpointError
from composer.backends.endpoint.transport import retry
from composer.backends.endpoint.transport.transport import Transport
from composer.values.ledger import LEDGER, Ledger

BODY = {"model": "m", "prompt": "x", "max_tokens": 4}


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(retry, "FIRST", 0.01)


@asynccontextmanager
async def transport_to(*servers, **options):
    options = {"retries": 3, "deadline": 20, **options}
    declaration = Endpoint(model="m", url=tuple(server.url for server in servers), **options)
    transport = Transport(declaration, "A")
    try:
        yield transport
    finally:
        await transport.close()


async def posted(*script, read=dict, **options):
    """Return the reply, or the error, and the requests that a server with this script got."""
    async with scripted(*script) as server, transport_to(server, **options) as transport:
        try:
            return await transport.post("/completions", BODY, tokens=5, read=read), server.requests
        except EndpointError as error:
            return error, server.requests


class Reader:
    """Shows the texts `t` of events, and needs the event `last`."""

    def begin(self):
        self.last = False

    def add(self, event):
        self.last = self.last or "last" in event
        return event.get("t", "")

    def end(self):
        if not self.last:
            raise BadReplyError("nothing was last")


async def streamed(*script, **options):
    """Return the texts, the error if there is one, and how many requests were sent."""
    seen, error = [], None
    async with scripted(*script) as server, transport_to(server, **options) as transport:
        try:
            stream = transport.stream("/completions", BODY, tokens=5, reader=Reader())
            async with aclosing(stream) as texts:
                async for text in texts:
                    seen.append(text)  # noqa: PERF401 - those before an error count
        except EndpointError as caught:
            error = caught
        return seen, error, len(server.requests)


def test_a_request_is_sent_as_it_is_and_its_reply_comes_back_as_json():
    answer, [(path, headers, body)] = asyncio.run(posted())
    assert (answer, path, body) == (ANSWER, "/v1/completions", BODY)
    assert "authorization" not in headers


@pytest.mark.parametrize(
    "failure",
    [
        RESET,
        reply(b"{", 200),
        reply(b"<html><body>Welcome</body></html>", 200, "text/html"),
        reply([], 200),
        reply({"error": {"message": "over", "code": 502}}, 200),
        *(reply({"error": {"message": "wait"}}, status) for status in (408, 409, 429, 500, 503)),
        reply({"error": {"message": "no"}}, 400, x_should_retry="true"),
    ],
)
def test_what_may_pass_is_tried_again(failure):
    answer, requests = asyncio.run(posted(failure, failure))
    assert answer == ANSWER
    assert len(requests) == 3


@pytest.mark.parametrize(
    ("failure", "code", "words"),
    [
        (reply({"error": {"message": "bad"}}, 400), "E701", "refused the request: 400: bad"),
        (reply({"error": {"message": "who?"}}, 401), "E701", "wants a key: 401: who?"),
        (reply({"detail": "too cold"}, 422), "E701", "422: too cold"),
        (reply({"error": {"message": "pay"}}, 402), "E701", "nothing left to spend: 402: pay"),
        (
            reply({"error": {"message": "quota", "code": "insufficient_quota"}}, 429),
            "E701",
            "nothing left to spend: 429: quota (insufficient_quota)",
        ),
        (
            reply({"error": {"message": "The maximum context length is 8 tokens"}}, 400),
            "E703",
            "the text is too long",
        ),
        (
            reply({"error": {"message": "no", "code": "content_filter"}}, 400),
            "E701",
            "the content filter of http",
        ),
        (reply({"error": {"message": "no"}}, 500, x_should_retry="false"), "E701", "500: no"),
    ],
)
def test_what_will_not_pass_is_told_at_once(failure, code, words):
    error, requests = asyncio.run(posted(failure))
    assert error.code == code
    assert words in error.message
    assert len(requests) == 1


def test_a_key_that_is_not_accepted_is_named_by_its_variable(monkeypatch):
    monkeypatch.setenv("MY_KEY", "sesame-sesame")
    key = {"variable": "MY_KEY"}
    error, [(_, headers, _)] = asyncio.run(
        posted(reply({"error": "no sesame-sesame"}, 401), key=key)
    )
    assert headers["authorization"] == "bearer sesame-sesame"
    assert "does not accept the key in `MY_KEY`: 401: no ***" in error.message


def test_a_model_that_is_not_there_is_told_with_those_that_are():
    models = reply({"data": [{"id": "one"}, {"id": "two"}]})
    error, _ = asyncio.run(posted(reply({"error": "no such model"}, 404), models))
    assert error.message.endswith("has no model `m`: 404: no such model; it lists `one`, `two`")
    assert error.status == 404


def test_the_last_of_the_attempts_is_told():
    error, requests = asyncio.run(posted(*[reply({"error": "busy"}, 503)] * 9, retries=2))
    assert len(requests) == 3
    assert "the last of 3 attempts, at http://127.0.0.1" in error.message
    assert error.message.endswith("failed: 503: busy")


def test_who_reads_a_reply_may_ask_for_another_one():
    def read(answer):
        if not answer["choices"]:
            raise BadReplyError("no choices")
        return answer["choices"][0]["text"]

    answer, requests = asyncio.run(posted(reply({"choices": []}), read=read))
    assert answer == "hi"
    assert len(requests) == 2


LAST = {"last": True}


def test_the_text_of_a_stream_is_given_event_by_event():
    seen, error, _ = asyncio.run(streamed(events({"t": "a"}, {}, {"t": "b"}, LAST)))
    assert (seen, error) == (["a", "b"], None)


@pytest.mark.parametrize(
    "failure",
    [
        RESET,
        events(end=False),
        events({"role": "assistant"}, end=False),
        events({"role": "assistant"}),
        reply(b"<html>", 200, "text/html"),
        events({"error": {"message": "busy", "code": 429}}),
        reply({"error": "busy"}, 503),
    ],
)
def test_a_stream_that_breaks_before_its_first_text_begins_again(failure):
    seen, error, requests = asyncio.run(streamed(failure, events({"t": "a"}, LAST)))
    assert (seen, error, requests) == (["a"], None, 2)


WHOLE = events({"t": "It"}, {"t": " is four"}, {"t": "."}, LAST)


@pytest.mark.parametrize(
    "failure",
    [
        events({"t": "It"}, end=False),
        events({"t": "It is fo"}, LAST, end=False),
        events({"t": "It is"}, {"t": " four."}),
        events({"t": "It"}, {"error": {"message": "busy", "code": 503}}),
    ],
)
def test_a_stream_that_breaks_later_goes_on_where_it_broke(failure):
    seen, error, requests = asyncio.run(streamed(failure, RESET, WHOLE))
    assert ("".join(seen), error, requests) == ("It is four.", None, 3)


@pytest.mark.parametrize("text", ["It was", "I", ""])
def test_what_was_shown_must_be_what_the_next_attempt_begins_with(text):
    script = [events({"t": "It is"}, end=False), events({"t": text}, LAST)]
    seen, error, requests = asyncio.run(streamed(*script))
    assert (seen, requests) == (["It is"], 2)
    assert "the answer broke off after its beginning was shown (the stream was cut" in error.message
    assert "at the next attempt http://127.0.0.1" in error.message


def test_without_the_package_the_check_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    (fault,) = Endpoint(model="m", url="http://localhost/v1").faults()
    assert (fault.code, fault.help) == ("E510", "`pip install 'ensemble-composer[endpoint]'`")


async def hang():
    await asyncio.sleep(30)


def test_a_hang_ends_when_no_byte_came_for_a_while_and_another_attempt_follows():
    answer, requests = asyncio.run(posted(hang, idle=0.1))
    assert answer == ANSWER
    assert len(requests) == 2


def test_a_stream_that_hangs_after_its_first_event_ends_too():
    unfinished = events({"t": "a"}).split(b"data: [DONE]")[0]
    seen, error, _ = asyncio.run(streamed(unfinished, idle=0.1, retries=0))
    assert seen == ["a"]
    assert "no byte came for 0.1 seconds" in error.message


def test_the_deadline_ends_an_attempt():
    error, requests = asyncio.run(posted(hang, deadline=0.7))
    assert (error.code, len(requests)) == ("E702", 1)
    assert error.message == "`A` gave no answer within its deadline of 0.7 seconds"


def test_no_attempt_begins_that_cannot_end_before_the_deadline():
    busy = reply({"error": "busy"}, 429, retry_after=60)
    error, requests = asyncio.run(posted(busy, deadline=5))
    assert (error.code, len(requests)) == ("E702", 1)
    assert error.message == (
        "`A` gave no answer, and its deadline of 5 seconds leaves no time for another attempt, "
        "which has to wait 60 seconds; the last of 1 failed attempt: 429: busy"
    )


def test_to_wait_for_ones_turn_does_not_count_against_the_deadline():
    async def slow():
        await asyncio.sleep(0.2)
        return reply()

    async def main():
        async with (
            scripted(*[slow] * 5) as server,
            transport_to(server, concurrency=1, deadline=0.8) as transport,
        ):
            posts = (transport.post("/completions", BODY, tokens=5) for _ in range(5))
            return await asyncio.gather(*posts)

    assert asyncio.run(main()) == [ANSWER] * 5


class Bills(Ledger):
    """Remembers what attempts cost, or why they failed and whether they may be billed."""

    def __init__(self):
        self.notes = []

    def answered(self, attempt, usage):
        self.notes.append((usage.cost, attempt.most.cost))

    def failed(self, attempt, reason, *, billed):
        assert attempt.model == "A"
        self.notes.append((reason, billed))


def test_what_may_be_billed_is_told():
    bills = Bills()

    async def main():
        LEDGER.set(bills)
        failures = [reply({"error": "no"}, status) for status in (429, 503, 500, 504, 408)]
        return await posted(RESET, *failures, retries=9, price=(10.0, 100.0))

    asyncio.run(main())
    assert [billed for _, billed in bills.notes[:6]] == [True, False, False, True, True, True]
    # 3 tokens read and 1 written; at most 1 byte, the overhead and 4 tokens
    assert bills.notes[6] == pytest.approx((130e-6, (257 * 10 + 4 * 100) / 1e6))


def test_a_server_without_encryption_is_told_from_one_that_is_not_there():
    async def refuse(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def main():
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            encrypted = Endpoint(model="m", url=f"https://127.0.0.1:{port}/v1", retries=0)
            transport = Transport(encrypted, "A")
            with pytest.raises(EndpointError, match="does not speak `https`"):
                await transport.post("/completions", BODY, tokens=5)
            await transport.close()

    asyncio.run(main())


def test_a_refused_connection_is_not_billed():
    bills = Bills()

    async def main():
        async with scripted() as server:
            pass
        LEDGER.set(bills)
        async with transport_to(server, retries=1) as transport:
            with pytest.raises(EndpointError, match="the last of 2 attempts"):
                await transport.post("/completions", BODY, tokens=5)

    asyncio.run(main())
    assert bills.notes == [("no connection was made: Connection refused", False)] * 2

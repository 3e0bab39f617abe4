"""Requests to a server that fails in each of the usual ways."""

import asyncio
import sys
from contextlib import aclosing, asynccontextmanager

import pytest
from scripted_server import ANSWER, RESET, events, reply, scripted

from composer.backends.endpoint import Endpoint, retry
from composer.backends.endpoint.faults import BadReplyError, EndpointError
from composer.backends.endpoint.transport import Transport

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


async def streamed(*script, restart=None, **options):
    """Return the events, the error if there is one, and how many requests were sent."""
    seen, error = [], None
    async with scripted(*script) as server, transport_to(server, **options) as transport:
        try:
            stream = transport.stream("/completions", BODY, tokens=5, restart=restart)
            async with aclosing(stream) as events_:
                async for event in events_:
                    seen.append(event)  # noqa: PERF401 - those before an error count
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


def test_a_stream_is_given_event_by_event():
    seen, error, _ = asyncio.run(streamed(events({"a": 1}, {"a": 2})))
    assert (seen, error) == ([{"a": 1}, {"a": 2}], None)


@pytest.mark.parametrize(
    "failure",
    [
        RESET,
        events(end=False),
        reply(b"<html>", 200, "text/html"),
        events({"error": {"message": "busy", "code": 429}}),
        reply({"error": "busy"}, 503),
    ],
)
def test_a_stream_that_breaks_before_its_first_event_begins_again(failure):
    seen, error, requests = asyncio.run(streamed(failure, events({"a": 1})))
    assert (seen, error, requests) == ([{"a": 1}], None, 2)


def test_a_stream_that_breaks_later_is_an_error_since_its_text_may_have_been_shown():
    seen, error, requests = asyncio.run(streamed(events({"a": 1}, end=False)))
    assert (seen, requests) == ([{"a": 1}], 1)
    assert "broke off after its beginning was shown" in error.message


def test_a_stream_begins_again_for_a_caller_that_can():
    restarts = []
    script = [events({"a": 1}, end=False), events({"a": 1}, {"a": 2})]
    seen, error, _ = asyncio.run(streamed(*script, restart=lambda: restarts.append(1)))
    assert (seen, error, restarts) == ([{"a": 1}, {"a": 1}, {"a": 2}], None, [1])


def test_without_the_package_the_check_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    (fault,) = Endpoint(model="m", url="http://localhost/v1").faults()
    assert (fault.code, fault.help) == ("E510", "`pip install 'ensemble-composer[endpoint]'`")

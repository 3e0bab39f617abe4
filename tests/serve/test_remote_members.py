"""Served recipes whose members are behind other servers: media reach them, circles end."""

import asyncio
import json
import socket

import pytest
from asgi import acall
from scripted_server import reply, scripted
from served_app import registry_of, serving

from composer.serve.app import create_app
from composer.serve.settings import Settings

pytest.importorskip("openai")

JSON = {"content-type": "application/json"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
ANSWER = {
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "a cat"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2},
}


def behind(url, more=""):
    return f'model E = endpoint("m", url = "{url}", probe = false, api = chat{more})\nE'


def ask(script, body):
    """Ask a served recipe whose one member answers by a script; give the reply and its requests."""

    async def run():
        async with scripted(*script) as member:
            with registry_of(remote=behind(member.url, ", retries = 0")) as registry:
                app = create_app(registry, Settings())
                path = "/v1/chat/completions"
                return await acall(app, "POST", path, {"model": "remote", **body}, JSON), member

    return asyncio.run(run())


def test_media_reach_a_member_that_reads_them():
    content = [{"type": "text", "text": "What is this?"}, IMAGE]
    given, member = ask([reply(ANSWER)], {"messages": [{"role": "user", "content": content}]})
    assert given.json()["choices"][0]["message"]["content"] == "a cat"
    assert member.requests[0][2]["messages"] == [{"role": "user", "content": content}]
    assert given.json()["usage"]["total_tokens"] == 11


@pytest.mark.parametrize("status", [500, 401])
def test_the_failure_of_a_member_is_not_the_client_s(status):
    error = {"error": {"message": "no", "code": status}}
    given, _ = ask([reply(error, status)], {"messages": [{"role": "user", "content": "hi"}]})
    assert (given.status, given.error["code"]) == (502, "E701")


def test_a_stream_that_breaks_off_ends_with_an_error():
    first = json.dumps({"choices": [{"index": 0, "delta": {"content": "a "}}]})
    broken = reply(f"data: {first}\n\n".encode(), kind="text/event-stream")
    body = {"messages": [{"role": "user", "content": "hi"}], "stream": True}
    given, _ = ask([broken], body)
    if given.status == 200:
        events = [e[6:] for e in given.body.decode().splitlines() if e.startswith("data: ")]
        assert json.loads(events[1])["choices"][0]["delta"]["content"] == "a "
        error = json.loads(events[-1])["error"]
    else:  # the end came together with the first text
        error = given.error
    assert error["code"] == "E723"


def test_an_ensemble_that_asks_itself_is_refused_at_its_first_turn():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    circle = behind(f"http://127.0.0.1:{port}/v1", ", retries = 0").replace('"m"', '"circle"')
    with registry_of(circle=circle) as registry:
        app = create_app(registry, Settings())
        body = {"model": "circle", "messages": [{"role": "user", "content": "hi"}]}
        with serving(app, port):
            given = asyncio.run(acall(app, "POST", "/v1/chat/completions", body, JSON))
    assert (given.status, given.error["code"]) == (508, "E721")
    assert "itself" in given.error["message"]

"""Streams that end otherwise: a client that takes too little, a mistake of ours."""

import asyncio
import json

import pytest
from asgi import acall, call

from composer.serve.protocol import streams
from composer.values import Query


def test_what_waits_for_a_slow_client_is_bounded_and_then_the_answer_is_ended(app, monkeypatch):
    monkeypatch.setattr(streams, "MOST_UNSENT", 2000)
    stop, ended = streams.EventStream._stop, asyncio.Event()
    monkeypatch.setattr(streams.EventStream, "_stop", lambda each: (ended.set(), stop(each)))
    messages = [{"role": "user", "content": "Go on"}]
    options = {"max_tokens": 200, "stream": True}
    body = {"model": "alone", "messages": messages, "ignore_eos": True, **options}

    async def pause(sent):
        if len(sent) == 2:  # the head and the first chunk
            async with asyncio.timeout(30):
                await ended.wait()

    async def scene():
        headers = {"content-type": "application/json"}
        return await acall(app, "POST", "/v1/chat/completions", body, headers, take=pause)

    reply = asyncio.run(scene())
    assert len(reply.body) < 6000
    assert b"since the client takes them too slowly" in reply.body.splitlines()[-2]


@pytest.mark.parametrize("usage", [False, True])
def test_a_mistake_of_ours_ends_a_stream_with_an_error(app, monkeypatch, capfd, usage):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(streams, "extension_json", broken)
    messages = [{"role": "user", "content": "Go on"}]
    long = {"max_tokens": 200, "ignore_eos": True}  # so the reply has begun when the answer ends
    body = {"model": "alone", "messages": messages, "stream": True, **long}
    body |= {"stream_options": {"include_usage": usage}}
    reply = call(app, "POST", "/v1/chat/completions", body, {"content-type": "application/json"})
    assert reply.status == 200
    assert json.loads(reply.body.splitlines()[-2][6:])["error"]["code"] == "E809"
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_running_usage_counts_the_prompt_of_each_answer(app, models):
    body = {"messages": [{"role": "user", "content": "2 + 2?"}], "n": 3, "max_tokens": 2}
    body |= {"model": "alone", "stream": True, "stream_options": {"continuous_usage_stats": True}}
    reply = call(app, "POST", "/v1/chat/completions", body, {"content-type": "application/json"})
    events = [json.loads(line[6:]) for line in reply.body.splitlines() if b"{" in line]
    read = {each["usage"]["prompt_tokens"] for each in events if each.get("usage")}
    assert read == {3 * len(models.get("alone").tokenizer.prompt(Query.of("2 + 2?")))}

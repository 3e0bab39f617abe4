"""A stream whose client takes less than is written."""

import asyncio

from asgi import acall
from served_app import registry_of

from composer.serve.app import create_app
from composer.serve.protocol import streams
from composer.serve.settings import Settings

TALK = f'model A = fake(says = "{"many words " * 40}")\nA'


def test_what_waits_for_a_slow_client_is_bounded_and_then_the_answer_is_ended(monkeypatch):
    monkeypatch.setattr(streams, "MOST_UNSENT", 2000)
    body = {"model": "talk", "messages": [{"role": "user", "content": "Go on"}], "stream": True}

    async def pause(messages):
        if len(messages) == 2:  # the head and the first chunk
            await asyncio.sleep(0.05)

    async def scene(app):
        headers = {"content-type": "application/json"}
        return await acall(app, "POST", "/v1/chat/completions", body, headers, take=pause)

    with registry_of(talk=TALK) as registry:
        reply = asyncio.run(scene(create_app(registry, Settings())))
    assert len(reply.body) < 4000
    assert b"since the client takes them too slowly" in reply.body.splitlines()[-2]

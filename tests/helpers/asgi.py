"""One request to an application without a server between, as a server would put it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json()["error"]


def call(app, method, path, body=b"", headers=()):
    """Put one request and return the whole reply."""
    return asyncio.run(acall(app, method, path, body, headers))


async def acall(  # noqa: PLR0913 - what becomes of a request
    app, method, path, body=b"", headers=(), *, leave=None, take=None, withheld=False
):
    """Put one request.

    Its client leaves once `leave` is done, takes each message as `take(messages)` does, or sends
    no body (`withheld`).
    """
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"host": "127.0.0.1", "content-length": str(len(content)), **dict(headers)}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "headers": [(name.lower().encode(), str(value).encode()) for name, value in lines.items()],
    }
    messages = [] if withheld else [{"type": "http.request", "body": content}]
    sent = []

    async def receive():
        if messages:
            return messages.pop()
        await (leave or asyncio.Event().wait())
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)
        if take is not None:
            await take(sent)

    await app(scope, receive, send)
    start = next(each for each in sent if each["type"] == "http.response.start")
    bodies = [each.get("body", b"") for each in sent if each["type"] == "http.response.body"]
    names = {name.decode(): value.decode() for name, value in start["headers"]}
    return Reply(start["status"], names, b"".join(bodies))

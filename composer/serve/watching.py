"""What is watched while a request is answered: its client, its time, and how its reply is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

from composer.diagnostics.amounts import in_seconds
from composer.serve.errors import ProtocolError

if TYPE_CHECKING:
    from composer.serve.settings import Settings
    from composer.serve.visits import Visit

__all__ = ["Application", "Message", "Receive", "Received", "Reply", "Send", "Watch", "left"]

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
"""Headers of every reply that does not set them itself."""


class Reply:
    """Sends a reply, with the headers that each one has.

    `status` is 0 before it has begun. `sending_since` is the loop's time at which a part was handed
    over that the client has not taken yet, None if there is none.
    """

    def __init__(self, send: Send) -> None:
        self._send, self._loop = send, asyncio.get_running_loop()
        self.status = 0
        self.sending_since: float | None = None

    async def send(self, message: Message) -> None:
        """Send one part; this waits while the client is slow."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            names = {name.lower() for name, _ in headers}
            message["headers"] = headers + [each for each in SECURITY if each[0] not in names]
        self.sending_since = self._loop.time()
        await self._send(message)
        self.sending_since = None

    async def fail(self, error: ProtocolError) -> None:
        """Send an error as the whole reply, unless another one has begun."""
        if self.status:
            return
        headers = {"content-type": "application/json", **error.headers}
        lines = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        lines.append((b"content-length", str(len(error.body)).encode()))
        start = {"type": "http.response.start", "status": error.status, "headers": lines}
        await self.send(start)
        await self.send({"type": "http.response.body", "body": error.body})


class Received:
    """What an application receives: the whole body, and later that the client has `left`."""

    def __init__(self, body: bytes, left: asyncio.Future[None]) -> None:
        self._body: bytes | None = body
        self._left = left

    async def __call__(self) -> Message:
        """Return the next message."""
        if self._body is None:
            await asyncio.shield(self._left)
            return {"type": "http.disconnect"}
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


class Watch:
    """Ends a visit once its client has left or takes nothing, or its time is over."""

    def __init__(self, visit: Visit, receive: Receive, reply: Reply, settings: Settings) -> None:
        self._visit, self._receive, self._reply = visit, receive, reply
        self._timeout, self._stall = settings.timeout, settings.stall
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._stalled = False
        self._timer: asyncio.TimerHandle | None = None
        self.left: asyncio.Future[None] = self._loop.create_future()

    async def over(self, answering: Awaitable[None]) -> None:
        """Watch while a request is answered."""
        client = self._loop.create_task(self._client())
        self._look()
        try:
            await answering
        except asyncio.CancelledError:
            if not self._stalled or self._task is None:
                raise
            self._task.uncancel()
        finally:
            client.cancel()
            if self._timer is not None:
                self._timer.cancel()

    async def _client(self) -> None:
        """Wait until the client has left."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._visit.end(left())
        self.left.set_result(None)

    def _look(self) -> None:
        """Look whether the time is over, or the client takes nothing; and look again later."""
        since, now = self._reply.sending_since, self._loop.time()
        if since is not None and now - since >= self._stall and self._task is not None:
            text = f"the client took nothing for {in_seconds(self._stall)}"
            self._stalled = True
            self._visit.end(ProtocolError("E806", text, status=408))
            self._task.cancel()
            return
        later = self._stall / 2
        if self._timeout is not None and self._visit.error is None:
            rest = self._timeout - self._visit.seconds
            later = min(later, rest)
            if rest <= 0:
                self._visit.end(_too_slow(self._timeout))
                later = self._stall / 2
        self._timer = self._loop.call_later(later, self._look)


def _too_slow(seconds: float) -> ProtocolError:
    text = f"the answer was not finished within {in_seconds(seconds)}"
    return ProtocolError("E702", f"{text}, with the time that the request waited for its turn")


def left() -> ProtocolError:
    """Return the error of a request whose client has left, for the log: nobody is told it."""
    return ProtocolError("E806", "the client has left", status=499)

"""The gate: each HTTP request goes through it before the application, and its reply after.

It lets in who may ask, reads bodies within their limit, and ends all that a request has begun once
its reply is sent, its client has left, its time is over, or the server stops.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from typing import TYPE_CHECKING

from composer.backends.endpoint.chain import HEADER, serving
from composer.diagnostics.amounts import in_seconds
from composer.diagnostics.secrets import scrub
from composer.serve.errors import ProtocolError, error_of
from composer.serve.guards import demand_allowed
from composer.serve.lifecycle import Stage
from composer.serve.visits import VISIT, Visit
from composer.serve.watching import Received, Reply, Watch, left

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from composer.serve.lifecycle import Lifecycle
    from composer.serve.settings import Settings
    from composer.serve.visits import Monitor
    from composer.serve.watching import Application, Message, Receive, Send

__all__ = ["Gate"]

CHAIN_HEADER = HEADER.lower().encode()


class Gate:
    """Wraps an application; each of the `monitors` is told of each visit."""

    def __init__(
        self,
        app: Application,
        settings: Settings,
        lifecycle: Lifecycle,
        monitors: Sequence[Monitor] = (),
    ) -> None:
        self._app, self._settings, self._lifecycle = app, settings, lifecycle
        self._monitors = monitors

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        visit, reply = Visit(scope["method"], scope["path"]), Reply(send)
        self._lifecycle.visits.add(visit)
        for monitor in self._monitors:
            monitor.arrive(visit, headers)
        try:
            await self._answer(scope, receive, visit, reply)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client is told
            await reply.fail(_protocol_error(error))
        finally:
            visit.end(_replied())
            self._lifecycle.visits.discard(visit)
            for monitor in self._monitors:
                monitor.leave(visit, reply.status)

    async def _answer(self, scope: Message, receive: Receive, visit: Visit, reply: Reply) -> None:
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        if self._lifecycle.stage is Stage.STOPPING and visit.path != "/health":
            raise ProtocolError("E806", "this server is stopping", headers={"Connection": "close"})
        demand_allowed(self._settings, visit.path, headers)
        body = await self._body(receive, headers)
        chain = headers.get(CHAIN_HEADER)
        token = VISIT.set(visit)
        try:
            with serving(self._lifecycle.id, None if chain is None else chain.decode("latin-1")):
                watch = Watch(visit, receive, reply, self._settings)
                await watch.over(self._app(scope, Received(body, watch.left), reply.send))
        finally:
            VISIT.reset(token)

    async def _body(self, receive: Receive, headers: Mapping[bytes, bytes]) -> bytes:
        """Read a body; raises ProtocolError where it is too large (E804) or too slow."""
        most, seconds = self._settings.max_body, self._settings.stall
        stated = headers.get(b"content-length", b"0")
        if stated.isdigit() and int(stated) > most:
            raise _too_large(most)
        parts, length = [], 0
        try:
            async with asyncio.timeout(seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise left()
                    parts.append(message.get("body", b""))
                    length += len(parts[-1])
                    if length > most:
                        raise _too_large(most)
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            text = f"the body did not arrive within {in_seconds(seconds)}"
            raise ProtocolError("E801", text, status=408) from None


def _replied() -> ProtocolError:
    """Return the error of what a request still did when its reply was sent."""
    return ProtocolError("E806", "the reply was sent already", status=499)


def _too_large(most: int) -> ProtocolError:
    text = f"the body has more than {most:,} bytes, which is the most that this server takes"
    return ProtocolError("E804", text)


def _protocol_error(error: Exception) -> ProtocolError:
    """Return the error that the client is told; the place of a mistake of ours is logged."""
    failure = error_of(error)
    if failure.code == "E809":
        scrub(error)
        traceback.print_exception(error, file=sys.stderr)
    return failure

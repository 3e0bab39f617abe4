"""The other end: a process that holds the models of a pool, and answers what it is asked.

It is the engine and the clients of one process (`composer.run`), behind messages.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from composer.cluster.handles import BEAT
from composer.cluster.identity import identities
from composer.cluster.wire import (
    Answer,
    Ask,
    Cancel,
    Handshake,
    Message,
    Piece,
    SentError,
    Setup,
    Token,
    pack,
    unpack,
)
from composer.run.clients import ModelClients
from composer.run.engine_host import EngineHost
from composer.values import Generate

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Replica"]

PIECES = 0.1
"""Seconds between two looks at the text that is being written."""


class Replica:
    """Answers requests with the models of one pool. All methods belong to one event loop."""

    def __init__(self) -> None:
        self._host = EngineHost()
        self._clients: ModelClients | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._outbox: deque[Message] = deque()  # the engine's thread puts text into it, too
        self._streams = 0
        self._ended = asyncio.Event()

    async def load(self, data: bytes) -> bytes:
        """Load the models of a Setup; return a Handshake with what they are, or with the error."""
        setup: Setup = unpack(data)
        self._clients = ModelClients(self._host.start, dict(setup.prices), self._host.timer.clock)
        try:
            for model in setup.models:
                await (await self._clients.of(model)).load(model)
            models = await asyncio.to_thread(identities, setup.models, locked=setup.locked)
        except Exception as error:  # noqa: BLE001 - it is told to who asked
            return pack(Handshake(error=SentError.of(error)))
        return pack(Handshake(models=models))

    def put(self, data: bytes) -> None:
        """Begin requests, and end those that were cancelled."""
        for message in map(unpack, unpack(data)):
            if isinstance(message, Cancel):
                if (task := self._tasks.get(message.number)) is not None:
                    task.cancel()
            else:
                self._begin(message)

    async def take(self) -> bytes:
        """Return what there is to tell: answers at once, text a few times a second."""
        ends = time.monotonic() + BEAT
        while not self._outbox and (left := ends - time.monotonic()) > 0:
            await _wait(self._ended, min(left, PIECES) if self._streams else left)
        self._ended.clear()
        return pack([self._outbox.popleft() for _ in range(len(self._outbox))])

    async def close(self) -> None:
        """End all requests, and release the models."""
        for task in self._tasks.values():
            task.cancel()
        if self._clients is not None:
            await self._clients.close()
        await asyncio.to_thread(self._host.close)

    def _begin(self, ask: Ask) -> None:
        task = asyncio.ensure_future(self._answer(ask))
        self._tasks[ask.number] = task
        self._streams += ask.text or ask.tokens
        task.add_done_callback(lambda _: self._end(ask))

    async def _answer(self, ask: Ask) -> None:
        """Answer a request; only a cancelled one has no end that is told."""
        try:
            result = await self._asked(ask)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - it is told to who asked
            self._tell(Answer(ask.number, error=SentError.of(error)))
        else:
            self._tell(Answer(ask.number, result))

    async def _asked(self, ask: Ask) -> object:
        assert self._clients is not None
        request = ask.request
        client = await self._clients.of(request.model)
        if not isinstance(request, Generate):
            return await request.put(client)
        on_token = partial(self._note, Token, ask.number) if ask.tokens else None
        on_text = partial(self._note, Piece, ask.number) if ask.text else None
        return await client.generate(replace(request, on_token=on_token), on_text)

    def _note(self, kind: Callable[[int, Any], Message], number: int, value: object) -> None:
        """Note what is written; `take` looks for it a few times a second."""
        self._outbox.append(kind(number, value))

    def _tell(self, answer: Answer) -> None:
        self._outbox.append(answer)
        self._ended.set()

    def _end(self, ask: Ask) -> None:
        del self._tasks[ask.number]
        self._streams -= ask.text or ask.tokens


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for an event, at most so many seconds."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)

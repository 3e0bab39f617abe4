"""An answer piece by piece, for `for` and for `async for`."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from composer.run.result import closed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator

    from composer.run.result import Result

__all__ = ["AnswerStream", "outcome"]

T = TypeVar("T")

Start = Callable[[Callable[[str], None] | None, bool], "Future[Result]"]
"""Begins a query; is given what takes each piece, and whether this thread waits for the pieces."""


class AnswerStream(Iterator[str]):
    """Yields an answer while it is written, in a program with an event loop or without.

    In one piece, if the last step needs all of it first. Afterwards `result` is the same Result
    that a call returns; in a `for` loop, StopIteration carries it too.
    """

    def __init__(self, start: Start, *, live: bool) -> None:
        self.result: Result | None = None
        self._start = start
        self._live = live
        self._pieces = self._waited_for()

    def __next__(self) -> str:
        return next(self._pieces)

    async def __aiter__(self) -> AsyncIterator[str]:
        """Yield the pieces to an event loop, which goes on with other work between them."""
        loop, pieces = asyncio.get_running_loop(), asyncio.Queue[str | None]()

        def put(piece: str | None) -> None:
            with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        future = self._begun(put, waits=False)
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            self.result = outcome(future)
            if not self._live:
                yield str(self.result)
        finally:
            future.cancel()

    def close(self) -> None:
        """Stop the answer if it is not finished."""
        self._pieces.close()

    def _waited_for(self) -> Generator[str, None, Result]:
        pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        future = self._begun(pieces.put, waits=True)
        try:
            while (piece := pieces.get()) is not None:
                yield piece
            self.result = outcome(future)
            if not self._live:
                yield str(self.result)
            return self.result
        finally:
            future.cancel()

    def _begun(self, put: Callable[[str | None], None], *, waits: bool) -> Future[Result]:
        future = self._start(put if self._live else None, waits)
        future.add_done_callback(lambda _: put(None))
        return future


def outcome(future: Future[T]) -> T:
    """Wait for a result; a cancelled query means that the ensemble was closed."""
    try:
        return future.result()
    except CancelledError:
        raise closed() from None

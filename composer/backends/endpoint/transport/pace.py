"""Requests and tokens a minute, and how many requests at once.

No 60 seconds have more requests, or more tokens, than a limit says. A leaky bucket would not do: it
lets through a full bucket at once and, within the same minute, what has flowed off meanwhile.
"""

from __future__ import annotations

import asyncio
import threading
import time
from bisect import insort
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["Limits", "Pace", "Slots"]

WINDOW = 61.0
"""Seconds in which a limit holds: a minute, and a second since requests arrive unevenly."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one model asks for: at most so many requests at once, and requests and tokens a minute.

    None sets no limit.
    """

    concurrency: int | None = None
    requests: float | None = None
    tokens: float | None = None


@dataclass(eq=False)
class Pace:
    """The requests of the last minute to one address with one key, and those that are booked.

    All models of this process share it, each under its own limits. Threads may share it too.
    """

    clock: Callable[[], float] = time.monotonic
    window: float = WINDOW
    _booked: deque[tuple[float, int]] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def wait(self, limits: Limits, tokens: int) -> None:
        """Wait until a request with so many tokens may be sent."""
        entry = self.book(limits, tokens)
        try:
            await asyncio.sleep(entry[0] - self.clock())
        except asyncio.CancelledError:
            with self._lock:
                self._booked.remove(entry)
            raise

    def book(self, limits: Limits, tokens: int) -> tuple[float, int]:
        """Book the earliest time for a request, behind those booked; return it, and the tokens.

        A request that has more tokens than a minute may have is sent in a minute of its own.
        """
        with self._lock:
            at = now = self.clock()
            while self._booked and self._booked[0][0] <= now - self._span(limits):
                self._booked.popleft()
            if self._booked and (limits.requests or limits.tokens):
                at = max(now, self._booked[-1][0], self._earliest(limits, tokens))
            entry = (at, tokens)
            insort(self._booked, entry)
            return entry

    def _span(self, limits: Limits) -> float:
        """Return the seconds in which a limit holds: several minutes for less than one a minute."""
        return self.window / min(1.0, limits.requests or 1.0)

    def _earliest(self, limits: Limits, tokens: int) -> float:
        """Return the time from which the window before it has room."""
        earliest = float("-inf")
        count = max(1, int(limits.requests or 0))
        if limits.requests and len(self._booked) >= count:
            earliest = self._booked[-count][0] + self._span(limits)
        if limits.tokens:
            total = tokens
            for at, booked in reversed(self._booked):
                total += booked
                if total > limits.tokens:
                    return max(earliest, at + self.window)
        return earliest


class Slots:
    """Lets so many requests be under way at once; each waits for the limit of its own model."""

    def __init__(self) -> None:
        self._running = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def one(self, limit: int | None) -> AsyncIterator[None]:
        """Hold a slot."""
        await self._take(limit)
        try:
            yield
        finally:
            self._running -= 1
            self._hand_on()

    async def _take(self, limit: int | None) -> None:
        if limit is None or (self._running < limit and not self._waiting):
            self._running += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((limit, turn))
        self._hand_on()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._running -= 1
                self._hand_on()
            raise

    def _hand_on(self) -> None:
        """Give free slots to those that wait, first come first served."""
        for entry in list(self._waiting):
            limit, turn = entry
            if turn.done():
                self._waiting.remove(entry)
            elif self._running < limit:
                self._waiting.remove(entry)
                self._running += 1
                turn.set_result(None)

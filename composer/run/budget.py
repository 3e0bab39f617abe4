"""A budget in dollars that a run never exceeds."""

from __future__ import annotations

import asyncio
import math
import threading
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from composer.diagnostics.amounts import in_dollars
from composer.run.result import Failure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROUNDING = 1e-12


class RunBudget:
    """Dollars that may be spent. A call is let through only if its worst case still fits.

    Running calls count with their worst case. A call that does not fit beside them waits. When no
    call runs and it still does not fit, it is refused (E709). Ensembles in other event loops may
    spend from the same budget.
    """

    def __init__(self, dollars: float) -> None:
        if not 0 <= dollars < math.inf:
            raise Failure("E402", f"a budget is a number of dollars, not {dollars}")
        self.dollars = dollars
        self.spent = 0.0
        self._reserved = 0.0
        self._holders: dict[Room, float] = {}
        self._lock = threading.Lock()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def room(self, worst: float) -> AsyncIterator[Room]:
        """Reserve the worst case of a call, in dollars, while it runs."""
        room = Room(self, worst)
        try:
            await self.cover(room)
            yield room
        finally:
            self.spend(room.close())
            self._release(room)

    async def cover(self, room: Room, *, waits: bool = True) -> None:
        """Wait until what a room wants is reserved; raises Failure if it never can be.

        Unless it `waits`, it raises Failure if that cannot be now.
        """
        room.waiting += 1
        try:
            while (settled := self._reserve(room, waits=waits)) is not None:
                await settled
        finally:
            room.waiting -= 1

    def spend(self, dollars: float, room: Room | None = None) -> None:
        """Count dollars as spent, which a room had reserved."""
        with self._lock:
            self.spent += dollars
            if room is not None:
                self._hold(room, -min(dollars, self._holders.get(room, 0.0)))

    def _reserve(self, room: Room, *, waits: bool) -> asyncio.Future[None] | None:
        """Reserve dollars; return what to wait for if running calls must end first."""
        with self._lock:
            missing = max(0.0, room.wanted - self._holders.get(room, 0.0))
            if not missing or self.spent + self._reserved + missing <= self.dollars + ROUNDING:
                self._hold(room, missing)
                return None
            if not waits or all(each.waiting for each in self._holders):
                raise self._too_small(room, missing)
            loop = asyncio.get_running_loop()
            settled: asyncio.Future[None] = loop.create_future()
            self._waiting.append((loop, settled))
            return settled

    def _hold(self, room: Room, dollars: float) -> None:
        """Add to what a room has reserved."""
        held = self._holders.pop(room, 0.0) + dollars
        if held > 0:
            self._holders[room] = held
        # What is left over when nobody holds anything is rounding.
        self._reserved = self._reserved + dollars if self._holders else 0.0

    def _release(self, room: Room) -> None:
        with self._lock:
            self._hold(room, -self._holders.get(room, 0.0))
            waiting, self._waiting = self._waiting, []
        for loop, settled in waiting:
            with suppress(RuntimeError):  # that loop has ended, and nobody waits in it
                loop.call_soon_threadsafe(_wake, settled)

    def _too_small(self, room: Room, missing: float) -> Failure:
        lost = f", {in_dollars(room.lost)} of it on attempts of unknown cost" * bool(room.lost)
        return Failure(
            "E709",
            f"the budget of {in_dollars(self.dollars)} is too small for "
            f"{'another attempt' if room.lost else 'this call'}: {in_dollars(self.spent)} is "
            f"spent{lost}, and it may cost {in_dollars(missing)} more",
            "raise `--budget`, or lower `max_tokens`",
        )


class Room:
    """What a budget has reserved for one call, and what attempts at it have taken of that.

    An attempt takes its worst case when it begins. When it ends, that is given back, or lost if its
    bill is unknown, or becomes what it cost. After the call, attempts may still end that were
    cancelled with it.
    """

    def __init__(self, budget: RunBudget, worst: float) -> None:
        self.lost, self.waiting = 0.0, 0
        self._budget, self._worst, self._open = budget, worst, True
        self._under_way = self._answered = 0.0
        self._paid = 0.0

    @property
    def wanted(self) -> float:
        """The dollars that must be reserved now, beside what was lost."""
        return max(self._worst - self.lost, self._under_way + self._answered)

    async def take(self, dollars: float, *, waits: bool = True) -> None:
        """Begin an attempt when its worst case fits; raises Failure (E709) if it never will."""
        self._under_way += dollars
        try:
            await self._budget.cover(self, waits=waits)
        except BaseException:
            self._under_way -= dollars
            raise

    def give_back(self, dollars: float) -> None:
        """End an attempt that cost nothing."""
        self.answer(dollars, 0.0)

    def answer(self, dollars: float, cost: float) -> None:
        """End an attempt that cost so much; `pay` says what the whole call has cost."""
        self._under_way -= dollars
        self._answered += cost
        if not self._open:
            self._budget.spend(cost - dollars)

    def lose(self, dollars: float) -> None:
        """End an attempt whose bill is unknown: its worst case is spent."""
        if self._open:
            self._under_way -= dollars
            self.lost += dollars
            self._budget.spend(dollars, self)

    def pay(self, dollars: float) -> None:
        """Say what the call has cost, unless its attempts told more."""
        self._paid = dollars

    def close(self) -> float:
        """End the call; return what it has cost beside what was lost."""
        self._open = False
        return self._under_way + max(self._answered, self._paid)


def _wake(settled: asyncio.Future[None]) -> None:
    if not settled.done():
        settled.set_result(None)

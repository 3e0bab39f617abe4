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
        self._running = 0
        self._lock = threading.Lock()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def room(self, worst: float) -> AsyncIterator[None]:
        """Reserve the worst case of a call, in dollars, while it runs."""
        while (settled := self._reserve(worst)) is not None:
            await settled
        try:
            yield
        finally:
            self._release(worst)

    def pay(self, dollars: float) -> None:
        """Count what a call has cost."""
        with self._lock:
            self.spent += dollars

    def _reserve(self, worst: float) -> asyncio.Future[None] | None:
        """Reserve dollars; return what to wait for if running calls must end first."""
        with self._lock:
            if self.spent + self._reserved + worst <= self.dollars + 1e-12:
                self._reserved, self._running = self._reserved + worst, self._running + 1
                return None
            if not self._running:
                raise Failure(
                    "E709",
                    f"the budget of {in_dollars(self.dollars)} is too small for this call: "
                    f"{in_dollars(self.spent)} is spent, and it may cost {in_dollars(worst)} more",
                    "raise `--budget`, or lower `max_tokens`",
                )
            loop = asyncio.get_running_loop()
            settled: asyncio.Future[None] = loop.create_future()
            self._waiting.append((loop, settled))
            return settled

    def _release(self, worst: float) -> None:
        with self._lock:
            self._running -= 1
            # What is left over when nothing runs is rounding.
            self._reserved = self._reserved - worst if self._running else 0.0
            waiting, self._waiting = self._waiting, []
        for loop, settled in waiting:
            with suppress(RuntimeError):  # that loop has ended, and nobody waits in it
                loop.call_soon_threadsafe(_wake, settled)


def _wake(settled: asyncio.Future[None]) -> None:
    if not settled.done():
        settled.set_result(None)

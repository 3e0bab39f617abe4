"""Where a client tells what its attempts at a request have taken, beside the answer itself.

A request to a server may take several attempts, and some of them are billed although no answer
came: a stream that was cut off, a time-out after the request was sent. The metered client of a run
hands down a ledger, which counts attempts against the budget and notes them in the trace.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field

from composer.values.results import Usage

__all__ = ["LEDGER", "Attempt", "Ledger", "ledger"]


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """One attempt at a request: of which model, at which address, which may be the `first` choice.

    `most` is what it takes at most: one call, and its highest cost in dollars.
    """

    model: str
    address: str
    most: Usage = field(default_factory=Usage)
    first: bool = True


class Ledger:
    """Counts attempts. This one counts nothing: it stands where no run asks."""

    async def begin(self, attempt: Attempt, *, waits: bool = True) -> None:
        """Wait until the highest cost of an attempt fits the budget; raises if it never will.

        Unless it `waits`, it raises if the cost does not fit now.
        """

    def answered(self, attempt: Attempt, usage: Usage | None) -> None:
        """Note an answer, and what it took, if the server tells that."""

    def failed(self, attempt: Attempt, reason: str, *, billed: bool) -> None:
        """Note a failure; an attempt that may have been billed counts with its highest cost."""

    def waits(self, seconds: float) -> None:
        """Note how long the request waits for its next attempt."""


LEDGER: ContextVar[Ledger] = ContextVar("ledger")
"""The ledger of the request that is being answered; tasks that are made inside have it too."""

UNCOUNTED = Ledger()


def ledger() -> Ledger:
    """Return the ledger of the request that is being answered."""
    return LEDGER.get(UNCOUNTED)

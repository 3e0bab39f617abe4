"""Where a client tells what its attempts at a request have taken, beside the answer itself.

A request to a server may take several attempts, and some of them are billed although no answer
came: a stream that was cut off, a time-out after the request was sent. The metered client of a run
hands down a ledger, which counts attempts against the budget and notes them in the trace.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.values.errors import ModelError
from composer.values.results import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CALL_LIMIT", "LEDGER", "TOO_MANY", "Attempt", "CallLimit", "Ledger", "ledger"]

TOO_MANY = "E725"
"""The code of a call that the limit of a step does not allow."""


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

    def note(self, text: str) -> None:
        """Note what else has become of the request."""


LEDGER: ContextVar[Ledger] = ContextVar("ledger")
"""The ledger of the request that is being answered; tasks that are made inside have it too."""

UNCOUNTED = Ledger()


@dataclass(eq=False, slots=True)
class CallLimit:
    """At most so many calls, retries with them: how many there may be, and how many there were."""

    most: int
    calls: int = 0

    def take(self) -> None:
        """Count a call before it is made; raises ModelError (E725) where it would be too many."""
        if self.calls >= self.most:
            text = f"the limit of {self.most} calls is reached"
            raise ModelError(TOO_MANY, text, "raise `calls` of the step, or let it ask less often")
        self.calls += 1

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count the calls that are made inside."""
        token = CALL_LIMIT.set(self)
        try:
            yield
        finally:
            CALL_LIMIT.reset(token)


CALL_LIMIT: ContextVar[CallLimit | None] = ContextVar("call_limit", default=None)
"""The limit of the calls that are being made; tasks that are made inside have it too."""


def ledger() -> Ledger:
    """Return the ledger of the request that is being answered."""
    return LEDGER.get(UNCOUNTED)

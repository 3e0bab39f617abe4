"""A visit is one HTTP request, from its arrival until its reply is sent or its client has left.

All that a request has begun belongs to its visit: where the client leaves, or the time is over, the
visit is ended, and with it each query that it has put.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.serve.errors import ProtocolError

__all__ = ["VISIT", "Monitor", "Visit"]


class Work(Protocol):
    """Something that a visit has begun."""

    def end(self, error: ProtocolError) -> None:
        """End it now: whoever waits for it gets the error."""


class Visit:
    """One HTTP request; `model` and `tokens` are known once it has put a query.

    `error` is why it was ended before its reply was sent, None as long as it was not. Where it
    `is_admitted`, one of its queries runs, or has waited for its turn: the others may wait, too.
    """

    def __init__(self, method: str = "", path: str = "") -> None:
        self.method, self.path, self.model = method, path, ""
        self.began = time.perf_counter()
        self.tokens: int | None = None
        self.first_text: float | None = None
        self.error: ProtocolError | None = None
        self.is_admitted = False
        self._works: set[Work] = set()

    @property
    def seconds(self) -> float:
        """The seconds since it arrived."""
        return time.perf_counter() - self.began

    def demand_open(self) -> None:
        """Raise ProtocolError where it was ended."""
        if self.error is not None:
            raise self.error

    def add(self, work: Work) -> None:
        """Count work as begun by it; raises ProtocolError where it was ended already."""
        self.demand_open()
        self._works.add(work)

    def discard(self, work: Work) -> None:
        """Forget work that is done; this may be called from any thread."""
        self._works.discard(work)

    def end(self, error: ProtocolError) -> None:
        """End all that it has begun, and refuse what it would begin now."""
        self.error = self.error or error
        for work in list(self._works):
            work.end(self.error)


class Monitor(Protocol):
    """Is told of each visit, in the server's own thread."""

    def arrive(self, visit: Visit, headers: Mapping[bytes, bytes]) -> None:
        """See a visit begin."""

    def leave(self, visit: Visit, status: int) -> None:
        """See a visit end, with the status of its reply; 0 if it had none."""


VISIT: ContextVar[Visit | None] = ContextVar("visit", default=None)
"""The visit that is answered where this is read."""

"""The traces that a server remembers, within limits of their number and their size."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict

from composer.serve.errors import ProtocolError

__all__ = ["KeptTrace", "Traces", "new_id"]


def new_id() -> str:
    """Return an id for a trace."""
    return uuid.uuid4().hex


class KeptTrace:
    """The events of one query as JSON texts; `is_open` as long as more may come."""

    def __init__(self, id: str) -> None:  # noqa: A002 - the word of the field
        self.id = id
        self.events: list[str] = []
        self.size = 0
        self.is_open = True

    @property
    def json(self) -> str:
        """The trace as GET /api/traces/ID gives it."""
        running = "true" if self.is_open else "false"
        return f'{{"id": "{self.id}", "running": {running}, "events": [{", ".join(self.lines)}]}}'

    @property
    def lines(self) -> list[str]:
        """The events as JSON texts."""
        return self.events


class Traces:
    """The last `most` traces, as long as they have at most so many bytes together.

    The oldest one is forgotten first. A trace that is too large by itself is not kept either.
    """

    def __init__(self, most: int = 500, most_bytes: int = 100_000_000) -> None:
        self.most, self.most_bytes = most, most_bytes
        self._traces: OrderedDict[str, KeptTrace] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._traces)

    def begin(self) -> KeptTrace:
        """Begin a trace, under a new id."""
        trace = KeptTrace(new_id())
        self.keep(trace)
        return trace

    def keep(self, trace: KeptTrace) -> None:
        """Remember a trace."""
        with self._lock:
            self._traces[trace.id] = trace
            self._size += trace.size
            self._shrink()

    def add(self, trace: KeptTrace, event: str) -> None:
        """Add an event to a trace; nothing happens where it is forgotten already."""
        with self._lock:
            if self._traces.get(trace.id) is not trace:
                return
            trace.events.append(event)
            trace.size += len(event)
            self._size += len(event)
            self._shrink()

    def get(self, id: str) -> KeptTrace:  # noqa: A002 - the word of the field
        """Return a trace; raises ProtocolError (E811) where it is not there any more."""
        with self._lock:
            trace = self._traces.get(id)
        if trace is None:
            text = (
                f"there is no trace `{id[:64]}`: this server remembers the last {self.most} "
                "questions, and none from before it was started"
            )
            raise ProtocolError("E811", text)
        return trace

    def _shrink(self) -> None:
        while len(self._traces) > self.most or self._size > self.most_bytes:
            _, oldest = self._traces.popitem(last=False)
            self._size -= oldest.size

"""The trace of a query: each step that ran, its calls to models, and its notes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from composer.diagnostics.secrets import starred_value
from composer.run.trace_text import trace_lines
from composer.values import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(slots=True)
class TracedCall:
    """One request to one model or fuse."""

    model: str
    what: str
    prompt: list[tuple[str, str]]
    text: str = ""
    tokens: int = 0
    seconds: float = 0.0
    spans: list[dict[str, Any]] = field(default_factory=list)
    cached: bool = False


@dataclass(slots=True)
class StepEvent:
    """One step that ran for a query. Times are seconds since the query began."""

    id: str
    op: str
    start: float
    end: float | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    asked: list[TracedCall] = field(default_factory=list)
    gave: str | None = None
    error: str | None = None


@dataclass(slots=True)
class Trace:
    """Everything that happened for one query; its `clock` may stand still while models load.

    `cache_savings` is what the answers from the cache would have taken.
    """

    id: str
    query: str
    events: list[StepEvent] = field(default_factory=list)
    usage: dict[str, Usage] = field(default_factory=dict)
    cache_savings: Usage = field(default_factory=Usage)
    clock: Callable[[], float] = time.perf_counter
    began: float = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.clock()

    def now(self) -> float:
        """Return the seconds since the query began."""
        return self.clock() - self.began

    def begin(self, id: str, op: str) -> StepEvent:  # noqa: A002 - the id of a step in the plan
        """Record that a step starts."""
        event = StepEvent(id, op, self.now())
        self.events.append(event)
        return event

    def spend(self, name: str, usage: Usage) -> None:
        """Add usage to a model's total."""
        before = self.usage.get(name)
        self.usage[name] = usage if before is None else before + usage

    def save(self, usage: Usage) -> None:
        """Add what an answer from the cache would have taken."""
        self.cache_savings += usage

    def as_dict(self) -> dict[str, object]:
        """Return the object that `--trace FILE` writes, one a line."""
        return {
            "version": 1,
            "id": self.id,
            "query": self.query,
            "steps": [
                starred_value(_plain(event))
                for event in sorted(self.events, key=lambda event: event.start)
            ],
        }

    def lines(self) -> Iterator[str]:
        """Yield the trace as text, for `--trace` without a file."""
        return trace_lines(self.as_dict())


def _plain(event: StepEvent) -> dict[str, object]:
    return {
        "step": event.id,
        "op": event.op,
        "start": round(event.start, 5),
        "seconds": round((event.end or event.start) - event.start, 5),
        "asked": [
            {
                "model": call.model,
                "what": call.what,
                "prompt": call.prompt,
                "text": call.text,
                "tokens": call.tokens,
                "seconds": round(call.seconds, 5),
                "spans": call.spans,
                "cached": call.cached,
            }
            for call in event.asked
        ],
        "notes": event.notes,
        "gave": event.gave,
        "error": event.error,
    }

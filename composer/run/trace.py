"""The trace of a query: each step that ran, its calls to models, and its notes."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from composer.diagnostics.secrets import starred_value
from composer.run.events import CallBegan, CallEnded, StepBegan, StepEnded
from composer.run.trace_text import trace_lines
from composer.values import Usage
from composer.values.errors import described
from composer.values.options import DEFAULT, AnswerOptions
from composer.values.results import dollars

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from composer.run.events import OnEvent
    from composer.values import JSON, Span
    from composer.values.details import TokenDetail
    from composer.values.results import Finish


VERSION = 2
"""The format of traces. Since 2 each call has its `start`, `usage`, `cost` and `error`.

The `options` of a query are there if it has some.
"""


@dataclass(slots=True)
class TracedCall:
    """One request to one model or fuse; `number` is its place among the calls of its step.

    `usage` is what it took, by declared model. Times are seconds since the query began.
    """

    model: str
    what: str
    prompt: list[tuple[str, str]]
    number: int = 0
    start: float = 0.0
    end: float | None = None
    text: str = ""
    tokens: int = 0
    usage: dict[str, Usage] = field(default_factory=dict)
    spans: tuple[Span, ...] = ()
    cached: bool = False
    error: str | None = None
    finish: Finish | None = None

    @property
    def seconds(self) -> float:
        """How long it took, 0 until it has ended."""
        return 0.0 if self.end is None else self.end - self.start

    def beginning(self, step: str) -> CallBegan:
        """Return the event of its begin, at a step."""
        return CallBegan(step, self.number, self.model, self.what, self.start)

    def ending(self, step: str) -> CallEnded:
        """Return the event of its end, at a step."""
        return CallEnded(
            step,
            self.number,
            self.text,
            self.tokens,
            self.start if self.end is None else self.end,
            dict(self.usage),
            self.cached,
            self.error,
            self.spans,
            self.finish,
        )


@dataclass(slots=True)
class StepEvent:
    """One step that ran for a query. Times are seconds since the query began.

    `kept` is what a report reads of the step; it is no part of what is printed.
    """

    id: str
    op: str
    start: float
    end: float | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    asked: list[TracedCall] = field(default_factory=list)
    gave: str | None = None
    error: str | None = None
    kept: object = None

    @property
    def beginning(self) -> StepBegan:
        """The event of its begin."""
        return StepBegan(self.id, self.op, self.start)

    @property
    def ending(self) -> StepEnded:
        """The event of its end; secrets in notes are stars."""
        end = self.start if self.end is None else self.end
        notes = {name: starred_value(note) for name, note in self.notes.items()}
        return StepEnded(self.id, end, self.gave, notes, self.error)


@dataclass(slots=True)
class Trace:
    """Everything that happened for one query; its `clock` may stand still while models load.

    `cache_savings` is what the answers from the cache would have taken. `options` are those of the
    query. Whoever watches is told of each event, and wants `detail` of each token.
    """

    id: str
    query: str
    events: list[StepEvent] = field(default_factory=list)
    usage: dict[str, Usage] = field(default_factory=dict)
    cache_savings: Usage = field(default_factory=Usage)
    clock: Callable[[], float] = time.perf_counter
    options: AnswerOptions = DEFAULT
    on_event: OnEvent | None = None
    detail: TokenDetail | None = None
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
        if (tell := self.on_event) is not None:
            tell(event.beginning)
        return event

    def finish(self, event: StepEvent) -> None:
        """Record that a step has ended."""
        event.end = self.now()
        if (tell := self.on_event) is not None:
            tell(event.ending)

    def open_call(
        self, step: StepEvent, model: str, what: str, prompt: list[tuple[str, str]]
    ) -> TracedCall:
        """Record that a step asks a model."""
        call = TracedCall(model, what, prompt, len(step.asked), self.now())
        step.asked.append(call)
        if (tell := self.on_event) is not None:
            tell(call.beginning(step.id))
        return call

    def close_call(
        self, step: StepEvent, call: TracedCall, error: BaseException | None = None
    ) -> None:
        """Record that a model has answered, or failed."""
        call.end = self.now()
        if error is not None:
            code, message, _ = described(error)
            cancelled = isinstance(error, asyncio.CancelledError)
            call.error = "cancelled" if cancelled else f"[{code}] {message}"
        if (tell := self.on_event) is not None:
            tell(call.ending(step.id))

    def watched_events(self) -> Iterator[StepBegan | StepEnded | CallBegan | CallEnded]:
        """Yield what whoever had watched would have been told, but for pieces of text, in order."""
        events: list[StepBegan | StepEnded | CallBegan | CallEnded] = []
        for step in self.events:
            events.append(step.beginning)
            for call in step.asked:
                events += (call.beginning(step.id), call.ending(step.id))
            events.append(step.ending)
        yield from sorted(events, key=lambda event: event.at)

    def spend(self, name: str, usage: Usage, call: TracedCall) -> None:
        """Add usage to a model's total, and to what a call took."""
        before, of_call = self.usage.get(name), call.usage.get(name)
        self.usage[name] = usage if before is None else before + usage
        call.usage[name] = usage if of_call is None else of_call + usage

    def save(self, usage: Usage) -> None:
        """Add what an answer from the cache would have taken."""
        self.cache_savings += usage

    def as_dict(self) -> dict[str, object]:
        """Return the object that `--trace FILE` writes, one a line."""
        return {
            "version": VERSION,
            "id": self.id,
            "query": self.query,
            **({} if self.options is DEFAULT else {"options": self.options.as_dict()}),
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
        "asked": list(map(_plain_call, event.asked)),
        "notes": event.notes,
        "gave": event.gave,
        "error": event.error,
    }


def _plain_call(call: TracedCall) -> dict[str, object]:
    total = sum(call.usage.values(), Usage())
    return {
        "model": call.model,
        "what": call.what,
        "prompt": call.prompt,
        "text": call.text,
        "tokens": call.tokens,
        "start": round(call.start, 5),
        "seconds": round(call.seconds, 5),
        "usage": {name: usage.as_dict() for name, usage in sorted(call.usage.items())},
        "cost": None if total.unpriced else dollars(total.cost),
        "spans": list(map(_plain_span, call.spans)),
        "cached": call.cached,
        "error": call.error,
    }


def _plain_span(span: Span) -> dict[str, JSON]:
    return {
        "text": span.text,
        "winner": span.winner,
        "candidates": dict(span.candidates),
        "scores": {name: dict(scores) for name, scores in span.scores.items()},
        "weights": {name: round(weight, 6) for name, weight in span.weights.items()},
        "whole": span.whole,
    }

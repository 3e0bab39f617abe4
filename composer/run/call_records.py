"""What the trace keeps of each call, and what whoever watches is told while it lasts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from composer.run.events import CallText, CallToken
from composer.values.capability import Capability
from composer.values.media import shown_messages
from composer.values.results import STRINGS, UNTOLD

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from composer.run.trace import StepEvent, Trace, TracedCall
    from composer.values import Completion, Generate, Model, Query, Score
    from composer.values.details import TokenChoice

__all__ = ["CallRecords", "LiveCall"]


@dataclass(frozen=True, eq=False, slots=True)
class CallRecords:
    """Records the calls of one step of one query."""

    trace: Trace
    event: StepEvent

    def open(self, model: Model, what: str, query: Query | None) -> TracedCall:
        """Record that a model is asked."""
        prompt = [] if query is None else shown_messages(query.messages, query.media)
        return self.trace.open_call(self.event, model.name, what, prompt)

    def lasting(self, *calls: TracedCall) -> LastingCalls:
        """Record that calls end, or fail, with what runs inside."""
        return LastingCalls(self, calls)

    def answer(self, call: TracedCall, completion: Completion) -> None:
        """Record what a model wrote."""
        counted_tokens = sum(each.completion_tokens for each in completion.usage.values())
        call.text, call.tokens = completion.text, len(completion.tokens) or counted_tokens
        call.spans, call.cached = completion.spans, completion.cached
        call.finish = completion.finish
        if completion.left:
            self.event.notes["left"] = dict(completion.left)
        if completion.weights:
            self.event.notes["weights"] = dict(completion.weights)
        for name in (UNTOLD, STRINGS):
            if name in completion.facts:
                self.event.notes[name] = completion.facts[name]

    def score(self, call: TracedCall, score: Score, *, cached: bool) -> None:
        """Record the score of a text."""
        call.text, call.tokens = f"{score.mean:.4f} nats a token", len(score.logprobs)
        call.cached = cached


@dataclass(frozen=True, eq=False, slots=True)
class LastingCalls:
    """Calls that end with a `with` block."""

    records: CallRecords
    calls: tuple[TracedCall, ...]

    def __enter__(self) -> None:
        """Begin: the calls are open."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the calls, with the error that ended the block."""
        for call in self.calls:
            self.records.trace.close_call(self.records.event, call, error)


@dataclass(eq=False, slots=True)
class LiveCall:
    """An answer while it is written: whoever reads it, and whoever watches, is told of each piece.

    Without either, the request stays as it is and nobody is told.
    """

    records: CallRecords
    call: TracedCall
    request: Generate
    on_text: Callable[[str], None] | None
    _told_tokens: bool = False
    _on_token: Callable[[TokenChoice], None] | None = field(init=False)

    def __post_init__(self) -> None:
        trace, request = self.records.trace, self.request
        wanted, self._on_token = trace.detail, request.on_token
        if trace.on_event is None and self._on_token is None:
            return
        if wanted is not None and Capability.LOGPROBS in request.model.capabilities:
            detail = wanted if request.detail is None else request.detail | wanted
            self.request = replace(request, detail=detail)
        if self.request.detail is not None:
            self.request = replace(self.request, on_token=self._token)

    @property
    def tell_text(self) -> Callable[[str], None] | None:
        """What takes each piece of the text; None where nobody wants it piece by piece."""
        return self.on_text if self.records.trace.on_event is None else self._text

    def tell_rest(self, choices: Sequence[TokenChoice]) -> None:
        """Tell of the tokens, where they were known only at the end."""
        for choice in () if self._told_tokens else choices:
            self._token(choice)

    def _text(self, piece: str) -> None:
        if self.on_text is not None:
            self.on_text(piece)
        trace, event = self.records.trace, self.records.event
        if (tell := trace.on_event) is not None:
            tell(CallText(event.id, self.call.number, piece, trace.now()))

    def _token(self, choice: TokenChoice) -> None:
        self._told_tokens = True
        if self._on_token is not None:
            self._on_token(choice)
        trace, event = self.records.trace, self.records.event
        if (tell := trace.on_event) is not None:
            tell(CallToken(event.id, self.call.number, choice, trace.now()))

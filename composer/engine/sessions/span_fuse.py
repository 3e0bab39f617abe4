"""Span fusion: in each round all members propose a span, all score the proposals, one is kept.

Cool-Fusion, arXiv:2407.19807; SweetSpan. The algorithm calls members through `SpanMember`, which
may be sequences of the engine (`span_members`) or clients of servers: it runs in the engine's
thread, where members' requests share engine steps, or as an asynchronous task.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from composer.values.errors import ModelError
from composer.values.finite import summed
from composer.values.results import Span, Usage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Mapping, Sequence

    from composer.engine.generation import GenerationState
    from composer.values.details import TokenChoice
    from composer.values.results import Completion

__all__ = ["Candidate", "SpanMember", "Together", "fuse_spans", "mean"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A span that a member proposes: its bytes, and whether the answer ends after it.

    `tokens` are the texts of the proposer's tokens; that of an end token is empty. `choices` has
    one for each of them, where details are wanted.
    """

    text: bytes
    ended: bool
    tokens: tuple[str, ...] = field(compare=False)
    choices: tuple[TokenChoice, ...] = field(default=(), compare=False)


class SpanMember(Protocol):
    """One member of a span fuse, at the place in the text that all members have reached."""

    name: str
    weight: float

    @property
    def dropped(self) -> Mapping[str, str]:
        """The models that were dropped, each with the reason."""

    def has_room(self) -> bool:
        """Drop models whose context is full, if they may be dropped; return whether a span fits."""

    async def propose(self, words: int, max_tokens: int) -> Candidate:
        """Propose a span of `words` words or a little more, of `max_tokens` tokens at most."""

    async def score(self, candidates: Sequence[Candidate]) -> Sequence[float | None]:
        """Return the mean log-probability of a token of each candidate, in the member's own tokens.

        None where there is none. The member's own proposal may be among them.
        """

    def accept(self, candidate: Candidate) -> None:
        """Go on from the end of a candidate that was scored."""

    def usage(self) -> Mapping[str, Usage]:
        """Return the usage so far by model name."""

    def close(self) -> None:
        """Free what the member holds; may be called at any time."""


class Together(Protocol):
    """Awaits several coroutines side by side; an error of one is raised."""

    def __call__(self, work: Sequence[Coroutine[Any, Any, T]], /) -> Awaitable[list[T]]:
        """Return their results in order."""


async def fuse_spans(
    members: Sequence[SpanMember],
    together: Together,
    answer: GenerationState,
    *,
    words: int,
    max_span_tokens: int,
) -> Completion:
    """Keep the span with the best score, round after round, until the answer ends.

    The caller opens the members where the answer begins, and closes them.
    """
    spans: list[Span] = []
    while answer.finish is None:
        max_tokens = min(max_span_tokens, answer.sampling.max_tokens - len(answer.tokens))
        if max_tokens <= 0:
            answer.finish = "length"
        elif not all(member.has_room() for member in members):
            answer.finish = "context"
        else:
            span, winner, score = await _round(members, together, words, max_tokens)
            spans.append(span)
            _write(answer, winner, score)
    usage: dict[str, Usage] = {}
    for name, model_usage in (item for member in members for item in member.usage().items()):
        usage[name] = usage.get(name, Usage()) + model_usage
    dropped = {name: reason for member in members for name, reason in member.dropped.items()}
    return replace(answer.close(usage), spans=tuple(spans), left=dropped)


async def _round(
    members: Sequence[SpanMember], together: Together, words: int, max_tokens: int
) -> tuple[Span, Candidate, float]:
    """Run one round: proposals, scores, and every member moved to the end of the best candidate.

    Returns the span, its candidate and its score.
    """
    proposals = await together([member.propose(words, max_tokens) for member in members])
    proposers: dict[Candidate, str] = {}  # the first member that proposes each
    for member, candidate in zip(members, proposals, strict=True):
        proposers.setdefault(candidate, member.name)
    candidates = list(proposers)
    member_scores = await together([member.score(candidates) for member in members])
    for member, scores in zip(members, member_scores, strict=True):
        _check(member.name, scores)
    tables = [dict(zip(candidates, scores, strict=True)) for scores in member_scores]
    totals = {candidate: _total(members, tables, candidate) for candidate in candidates}
    best = max(candidates, key=lambda candidate: totals[candidate])
    for member in members:
        member.accept(best)
    proposal_of = {m.name: candidate for m, candidate in zip(members, proposals, strict=True)}
    scores_by_member = {
        member.name: {name: s for name, c in proposal_of.items() if (s := table[c]) is not None}
        for member, table in zip(members, tables, strict=True)
    }
    texts = {name: c.text.decode(errors="replace") for name, c in proposal_of.items()}
    winner = proposers[best]
    return Span(texts[winner], winner, texts, scores_by_member), best, totals[best]


def _check(name: str, scores: Sequence[float | None]) -> None:
    """Raise ModelError (E704) where a score is NaN or plus infinity; minus infinity is allowed."""
    if any(score is not None and not score < math.inf for score in scores):
        raise ModelError(
            "E704",
            f"`{name}` gave a score of a span that is not a number",
            "its number type may be too small: try `dtype = float32`",
        )


def _write(answer: GenerationState, span: Candidate, score: float) -> None:
    """Add a span to the answer; each of its tokens gets the span's mean log-probability."""
    answer.tokens += span.tokens
    answer.logprobs += [score] * len(span.tokens)
    for choice in span.choices:
        answer.choose(choice)
    answer.writer.add(span.text, free=len(answer.tokens) <= answer.sampling.min_tokens)
    if span.ended or answer.writer.stopped:
        answer.finish = "stop"
    elif not span.tokens:
        answer.finish = "context"


def mean(logprobs: Sequence[float]) -> float | None:
    """The mean of log-probabilities; None without any."""
    return summed(logprobs) / len(logprobs) if logprobs else None


def _total(
    members: Sequence[SpanMember],
    tables: Sequence[Mapping[Candidate, float | None]],
    candidate: Candidate,
) -> float:
    """The weighted mean of a candidate's scores, over the members that can score it."""
    weighted = [
        (member.weight, score)
        for member, table in zip(members, tables, strict=True)
        if (score := table[candidate]) is not None
    ]
    if not weighted:
        return -math.inf
    return sum(w * s for w, s in weighted) / sum(w for w, _ in weighted)

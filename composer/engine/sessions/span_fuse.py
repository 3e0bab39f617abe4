"""Fusing spans: all members propose, all judge, one proposal is kept and all go on from there.

Cool-Fusion, arXiv:2407.19807; SweetSpan. The algorithm is written against members' states, which
may be sequences of the engine or clients of servers: it runs in the engine's thread, where members
ask side by side in the same engine steps, or as an asynchronous task.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from composer.values.errors import ModelError
from composer.values.finite import summed
from composer.values.requests import Span, Usage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Mapping, Sequence

    from composer.engine.generation import GenerationState
    from composer.values.requests import Completion

__all__ = ["Candidate", "SpanMember", "Together", "fuse_spans", "mean"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A span that a member proposes: its bytes, and whether the answer ends after it.

    `tokens` are the texts of what its writer made it of; the end's is empty.
    """

    text: bytes
    ended: bool
    tokens: tuple[str, ...] = field(compare=False)


class SpanMember(Protocol):
    """One member of a span fuse, at the place in the text that all of them have reached.

    `left` says who left on the way, and why.
    """

    name: str
    weight: float

    @property
    def left(self) -> Mapping[str, str]:
        """Who left on the way, and why."""

    def make_room(self) -> bool:
        """Go on without what has no room left; say whether there is room for a span then."""

    async def propose(self, words: int, most: int) -> Candidate:
        """Write `most` tokens, or up to where a word begins after enough words, or to the end."""

    async def score(self, candidates: Sequence[Candidate]) -> Sequence[float | None]:
        """Mean log-probability of a token of each, in one's own tokens; None where there is none.

        One's own proposal may be among them.
        """

    def accept(self, candidate: Candidate) -> None:
        """Go on from the end of a candidate that was scored."""

    def usage(self) -> Mapping[str, Usage]:
        """What was asked of models so far, by name."""

    def close(self) -> None:
        """Give back what is held, at any time."""


class Together(Protocol):
    """Await several members side by side; what fails with one fails with all."""

    def __call__(self, work: Sequence[Coroutine[Any, Any, T]], /) -> Awaitable[list[T]]:
        """Their results, in their order."""


async def fuse_spans(
    members: Sequence[SpanMember],
    together: Together,
    answer: GenerationState,
    *,
    words: int,
    max_span_tokens: int,
) -> Completion:
    """Keep the likeliest span, round after round, until the answer ends.

    Members are opened where the answer begins, and closed by who opened them.
    """
    spans: list[Span] = []
    while answer.finish is None:
        most = min(max_span_tokens, answer.sampling.max_tokens - len(answer.tokens))
        if most <= 0:
            answer.finish = "length"
        elif not all(member.make_room() for member in members):
            answer.finish = "context"
        else:
            span, kept, score = await _round(members, together, words, most)
            spans.append(span)
            _write(answer, kept, score)
    usage: dict[str, Usage] = {}
    for name, each in (item for member in members for item in member.usage().items()):
        usage[name] = usage.get(name, Usage()) + each
    left = {name: why for member in members for name, why in member.left.items()}
    return replace(answer.close(usage), spans=tuple(spans), left=left)


async def _round(
    members: Sequence[SpanMember], together: Together, words: int, most: int
) -> tuple[Span, Candidate, float]:
    """One span: proposals, scores, and every member moved to where the best one ends."""
    made = await together([member.propose(words, most) for member in members])
    writers: dict[Candidate, str] = {}  # who was first to propose each
    for member, candidate in zip(members, made, strict=True):
        writers.setdefault(candidate, member.name)
    choices = list(writers)
    scored = await together([member.score(choices) for member in members])
    scores = [dict(zip(choices, each, strict=True)) for each in scored]
    for member, each in zip(members, scored, strict=True):
        _hold(member.name, each)
    totals = {choice: _total(members, scores, choice) for choice in choices}
    best = max(choices, key=lambda choice: totals[choice])
    for member in members:
        member.accept(best)
    own = {member.name: candidate for member, candidate in zip(members, made, strict=True)}
    told = {
        member.name: {name: s for name, c in own.items() if (s := each[c]) is not None}
        for member, each in zip(members, scores, strict=True)
    }
    texts = {name: candidate.text.decode(errors="replace") for name, candidate in own.items()}
    winner = writers[best]
    return Span(texts[winner], winner, texts, told), best, totals[best]


def _hold(name: str, scores: Sequence[float | None]) -> None:
    """Raise E704 where a member's score is no number; a span may be impossible, not unknowable."""
    if any(score is not None and not score < math.inf for score in scores):
        raise ModelError(
            "E704",
            f"`{name}` gave a score of a span that is not a number",
            "its number type may be too small: try `dtype = float32`",
        )


def _write(answer: GenerationState, kept: Candidate, score: float) -> None:
    """Take a span, whose tokens are all as likely as their mean."""
    answer.tokens += kept.tokens
    answer.logprobs += [score] * len(kept.tokens)
    answer.writer.add(kept.text, free=len(answer.tokens) <= answer.sampling.min_tokens)
    if kept.ended or answer.writer.stopped:
        answer.finish = "stop"
    elif not kept.tokens:
        answer.finish = "context"


def mean(logprobs: Sequence[float]) -> float | None:
    """The mean log-probability of a token; None without any."""
    return summed(logprobs) / len(logprobs) if logprobs else None


def _total(
    members: Sequence[SpanMember],
    scores: Sequence[Mapping[Candidate, float | None]],
    choice: Candidate,
) -> float:
    """The weighted mean of the scores of those who can say one."""
    told = [(m.weight, each[choice]) for m, each in zip(members, scores, strict=True)]
    known = [(weight, score) for weight, score in told if score is not None]
    if not known:
        return -math.inf
    return sum(w * s for w, s in known) / sum(w for w, _ in known)

"""Span fusion: in each round all members propose a span, all score the proposals, one is kept.

Cool-Fusion, arXiv:2407.19807; SweetSpan, arXiv:2409.18583; SpecFuse, arXiv:2412.07380. The
algorithm calls members through `SpanMember`, which may be sequences of the engine (`span_members`)
or clients of servers: it runs in the engine's thread, where members' requests share engine steps,
or as an asynchronous task.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from composer.engine.sessions.span_parts import Reading, ScoredRound
from composer.values.errors import ModelError
from composer.values.finite import summed
from composer.values.flow import unique
from composer.values.results import Span, Usage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine, Mapping, Sequence

    from composer.engine.generation import GenerationState
    from composer.engine.sessions.span_parts import (
        Boundary,
        Branching,
        Exit,
        Filter,
        Measure,
        SpanWeigh,
        SpanWeights,
    )
    from composer.specs import SpanFuse
    from composer.values.details import TokenChoice
    from composer.values.flow import Query
    from composer.values.results import Completion

__all__ = ["Candidate", "SpanMember", "SpanRequest", "Together", "fuse_spans"]

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


@dataclass(frozen=True, slots=True)
class SpanRequest:
    """What is asked of a member that proposes: where its span ends, and how it may branch.

    `before` is the answer so far. A span has at most `max_tokens` of the member's own tokens.
    """

    boundary: Boundary
    branching: Branching | None
    max_tokens: int
    before: str


class SpanMember(Protocol):
    """One member of a span fuse, at the place in the text that all members have reached."""

    name: str
    weight: float

    @property
    def dropped(self) -> Mapping[str, str]:
        """The models that were dropped, each with the reason."""

    def has_room(self) -> bool:
        """Drop models whose context is full, if they may be dropped; return whether a span fits."""

    async def propose(self, request: SpanRequest) -> Sequence[Candidate]:
        """Propose at least one span."""

    async def score(self, candidates: Sequence[Candidate]) -> Sequence[Sequence[float]]:
        """Return the log-probabilities of each candidate's tokens, in the member's own tokens.

        None of them where the member cannot read it. Its own proposals may be among them.
        """

    def accept(self, candidate: Candidate) -> None:
        """Go on from the end of a candidate, which this member may not have scored."""

    def usage(self) -> Mapping[str, Usage]:
        """Return the usage so far by model name."""

    def close(self) -> None:
        """Free what the member holds; may be called at any time."""


class Together(Protocol):
    """Awaits several coroutines side by side; an error of one is raised."""

    def __call__(self, work: Sequence[Coroutine[Any, Any, T]], /) -> Awaitable[list[T]]:
        """Return their results in order."""


async def fuse_spans(
    fuse: SpanFuse,
    members: Sequence[SpanMember],
    together: Together,
    answer: GenerationState,
    query: Query,
) -> Completion:
    """Keep the span with the best score, round after round, until the answer ends.

    `members` are those of the fuse with a weight. The caller opens them where the answer begins,
    and closes them.
    """
    fusion = _SpanFusion(fuse, members, together, answer, query)
    while answer.finish is None:
        max_tokens = min(fuse.max_span_tokens, answer.sampling.max_tokens - len(answer.tokens))
        if max_tokens <= 0:
            answer.finish = "length"
        elif not all(member.has_room() for member in fusion.active()):
            answer.finish = "context"
        else:
            await fusion.round(max_tokens)
    return fusion.completion()


class _SpanFusion:
    """One answer while its spans are fused; places of members are those in `members`."""

    def __init__(
        self,
        fuse: SpanFuse,
        members: Sequence[SpanMember],
        together: Together,
        answer: GenerationState,
        query: Query,
    ) -> None:
        self._members, self._together, self._answer = members, together, answer
        self._boundary = cast("Boundary", fuse.span)
        self._branching = cast("Branching | None", fuse.explore)
        self._measure = cast("Measure", fuse.score)
        self._filter = cast("Filter | None", fuse.filter)
        given = tuple(member.weight for member in members)
        weigh, exit_ = cast("SpanWeigh | None", fuse.weigh), cast("Exit | None", fuse.exit)
        self._weights: SpanWeights = weigh.start(given, query) if weigh else _Fixed(given)
        self._exits = exit_.start(given) if exit_ else None
        self._spans: list[Span] = []

    def active(self) -> list[SpanMember]:
        """Return the members that take part in the next round."""
        return [self._members[n] for n in self._places()]

    def _places(self) -> list[int]:
        if self._exits is None:
            return list(range(len(self._members)))
        return [n for n, takes_part in enumerate(self._exits.active()) if takes_part]

    async def round(self, max_tokens: int) -> None:
        """Run one round: proposals, scores, and every member moved to the end of the best one."""
        places, before = self._places(), self._answer.writer.text
        active = [self._members[n] for n in places]
        request = SpanRequest(self._boundary, self._branching, max_tokens, before)
        proposals = await self._together([member.propose(request) for member in active])
        proposers: dict[Candidate, list[int]] = {}
        for place, proposed in zip(places, proposals, strict=True):
            for candidate in dict.fromkeys(proposed):
                proposers.setdefault(candidate, []).append(place)
        candidates = list(proposers)
        read = await self._together([member.score(candidates) for member in active])
        readings = [
            tuple(_reading(*pair) for pair in zip(candidates, own, strict=True)) for own in read
        ]
        scores = [self._scores(*pair) for pair in zip(active, readings, strict=True)]
        if self._filter is not None:
            scores = _filtered(scores, self._filter.kept(scores))
        shares = [self._weights.weights(before)[n] for n in places]
        totals = [_total(shares, [own[n] for own in scores]) for n in range(len(candidates))]
        best = max(range(len(candidates)), key=totals.__getitem__)
        for member in self._members:
            member.accept(candidates[best])
        scored = ScoredRound(
            tuple(places),
            tuple(map(tuple, proposers.values())),
            tuple(map(tuple, scores)),
            tuple(totals),
            best,
            tuple(readings),
        )
        self._weights.learn(scored)
        if self._exits is not None:
            self._exits.learn(scored)
        self._spans.append(self._record(proposals, candidates, scored, shares))
        logprobs = [None if (own := row[best]) is None else _mean(own.logprobs) for row in readings]
        self._write(candidates[best], _total(shares, logprobs))

    def _scores(self, member: SpanMember, readings: Sequence[Reading | None]) -> list[float | None]:
        """Return a member's score of each candidate, None where it could not read it.

        Raises ModelError (E704) where one is NaN or plus infinity; minus infinity is allowed.
        """
        readable = [reading for reading in readings if reading is not None]
        own = self._measure.scores(readable) if readable else []
        if any(not score < math.inf for score in own):
            raise ModelError(
                "E704",
                f"`{member.name}` gave a score of a span that is not a number",
                "its number type may be too small: try `dtype = float32`",
            )
        values = iter(own)
        return [None if reading is None else next(values) for reading in readings]

    def _record(
        self,
        proposals: Sequence[Sequence[Candidate]],
        candidates: Sequence[Candidate],
        scored: ScoredRound,
        shares: Sequence[float],
    ) -> Span:
        """Return the span as the trace has it; further proposals of a member are numbered."""
        names = [self._members[n].name for n in scored.members]
        labels = unique(name for name, own in zip(names, proposals, strict=True) for _ in own)
        label_of = dict(zip(labels, (each for own in proposals for each in own), strict=True))
        texts = {label: each.text.decode(errors="replace") for label, each in label_of.items()}
        place = {candidate: n for n, candidate in enumerate(candidates)}
        table = {
            name: {
                label: score
                for label, candidate in label_of.items()
                if (score := own[place[candidate]]) is not None
            }
            for name, own in zip(names, scored.scores, strict=True)
        }
        winner = next(label for label, each in label_of.items() if place[each] == scored.best)
        text = texts[winner]
        writer = self._members[scored.proposers[scored.best][0]].name
        return Span(text, writer, texts, table, dict(zip(names, shares, strict=True)))

    def _write(self, span: Candidate, logprob: float) -> None:
        """Add a span to the answer; each of its tokens gets the span's mean log-probability."""
        answer = self._answer
        answer.tokens += span.tokens
        answer.logprobs += [logprob] * len(span.tokens)
        for choice in span.choices:
            answer.choose(choice)
        answer.writer.add(span.text, free=len(answer.tokens) <= answer.sampling.min_tokens)
        if span.ended or answer.writer.stopped:
            answer.finish = "stop"
        elif not span.tokens:
            answer.finish = "context"

    def completion(self) -> Completion:
        """Return the answer with its spans and what it took."""
        usage: dict[str, Usage] = {}
        for name, own in (item for member in self._members for item in member.usage().items()):
            usage[name] = usage.get(name, Usage()) + own
        dropped = {name: why for member in self._members for name, why in member.dropped.items()}
        return replace(self._answer.close(usage), spans=tuple(self._spans), left=dropped)


@dataclass(frozen=True, slots=True)
class _Fixed:
    """Weights that stay as they are."""

    given: Sequence[float]

    def weights(self, text: str) -> Sequence[float]:
        """Return the given weights."""
        del text
        return self.given

    def learn(self, round_: ScoredRound) -> None:
        """Nothing is learnt."""


def _mean(logprobs: Sequence[float]) -> float:
    return summed(logprobs) / len(logprobs)


def _reading(candidate: Candidate, logprobs: Sequence[float]) -> Reading | None:
    return Reading(candidate.text, tuple(logprobs)) if logprobs else None


def _filtered(
    scores: Sequence[Sequence[float | None]], kept: Sequence[Sequence[bool]]
) -> list[list[float | None]]:
    return [
        [score if counts else None for score, counts in zip(*pair, strict=True)]
        for pair in zip(scores, kept, strict=True)
    ]


def _total(shares: Sequence[float], scores: Sequence[float | None]) -> float:
    """The weighted mean of a candidate's scores, over the members that have one."""
    weighted = [(w, s) for w, s in zip(shares, scores, strict=True) if s is not None and w]
    if not weighted:
        return -math.inf
    return sum(w * s for w, s in weighted) / sum(w for w, _ in weighted)

"""Span fusion: in each round all members propose a span, all score the proposals, one is kept.

Cool-Fusion, arXiv:2407.19807; SweetSpan, arXiv:2409.18583; SpecFuse, arXiv:2412.07380. The
algorithm calls members through `SpanMember`, which may be sequences of the engine (`span_members`)
or clients of servers: it runs in the engine's thread, where members' requests share engine steps,
or as an asynchronous task.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from composer.engine.sessions.span_asking import SpanRequest
from composer.engine.sessions.span_rounds import Round, judge, pooled
from composer.values.errors import ModelError, described
from composer.values.gather import MissingAnswer, attempt
from composer.values.results import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from composer.engine.generation import GenerationState
    from composer.engine.sessions.span_asking import Candidate, SpanMember, Together
    from composer.engine.sessions.span_parts import (
        Boundary,
        Branching,
        Exit,
        Filter,
        Measure,
        ScoredRound,
        SpanWeigh,
        SpanWeights,
    )
    from composer.specs import SpanFuse
    from composer.values.flow import Query
    from composer.values.results import Completion, Span

__all__ = ["fuse_spans"]

T = TypeVar("T")


async def fuse_spans(
    fuse: SpanFuse,
    members: Sequence[SpanMember],
    together: Together,
    answer: GenerationState,
    query: Query,
) -> Completion:
    """Keep the span with the best score, round after round, until the answer ends.

    `members` are those of the fuse with a weight. The caller closes them.
    """
    fusion = _SpanFusion(fuse, members, together, answer, query)
    await fusion.open()
    while answer.finish is None:
        max_tokens = min(fuse.max_span_tokens, answer.sampling.max_tokens - len(answer.tokens))
        if max_tokens <= 0:
            answer.finish = "length"
        elif not (places := fusion.places()):
            answer.finish = "context"
        else:
            await fusion.round(places, max_tokens)
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
        given = {member.name: member.weight for member in members}
        weigh, exit_ = cast("SpanWeigh | None", fuse.weigh), cast("Exit | None", fuse.exit)
        fixed = _Fixed(tuple(given.values()))
        self._weights: SpanWeights = weigh.start(given, query) if weigh else fixed
        self._exits = exit_.start(fixed.given) if exit_ else None
        self._leave = fuse.leave
        self._here = tuple(range(len(members)))
        self._left: dict[str, str] = {}
        self._usage: dict[str, Usage] = {}
        self._spans: list[Span] = []

    async def open(self) -> None:
        """Let all members begin."""
        await self._ask(self._here, lambda member: member.open())

    def places(self) -> list[int]:
        """Return the members of the next round; none if the answer ends since a context is full.

        One whose context is full leaves where it may, and is not asked where there is an `exit`.
        """
        full = [n for n in self._here if not self._members[n].has_room()]
        if full and not self._leave and self._exits is None:
            return []
        for place in full if self._leave else ():
            if len(self._here) > 1:
                self._drop(place, ModelError("E703", "its context is full"))
        able = [n for n in self._here if n not in full]
        active = self._exits.active() if self._exits is not None else ()
        return [n for n in able if not active or active[n]] or able

    async def round(self, places: Sequence[int], max_tokens: int) -> None:
        """Run one round: proposals, scores, and every member moved to the end of the best one."""
        before = self._answer.writer.text
        request = SpanRequest(self._boundary, self._branching, max_tokens, before)
        proposals = await self._ask(places, lambda member: member.propose(request))
        offered = list(pooled(proposals))
        judged = await self._ask(proposals, lambda member: judge(member, offered, self._measure))
        if not judged:  # those who rest go on
            return
        round_ = Round(proposals, judged, self._weights.weights(before), self._filter)
        self._spans.append(round_.record([self._members[n].name for n in judged]))
        self._weights.learn(round_.scored)
        if self._exits is not None:
            self._exits.learn(round_.scored)
        self._accept(round_.best)
        self._write(round_.best, round_.logprob)

    async def _ask(
        self, places: Iterable[int], ask: Callable[[SpanMember], Coroutine[Any, Any, T]]
    ) -> dict[int, T]:
        """Ask members side by side; one that fails leaves, if it may, and has no reply."""
        members = [self._members[n] for n in places]
        if not self._leave:
            return dict(zip(places, await self._together([ask(m) for m in members]), strict=True))
        work = [attempt(member.name, ask(member)) for member in members]
        replies: dict[int, T] = {}
        for place, reply in zip(places, await self._together(work), strict=True):
            if isinstance(reply, MissingAnswer):
                self._drop(place, reply.error)
            else:
                replies[place] = reply
        return replies

    def _accept(self, best: Candidate) -> None:
        """Let all members go on behind a candidate, those too that did not take part."""
        for place in self._here:
            try:
                self._members[place].accept(best)
            except ModelError as error:
                if not self._leave:
                    raise
                self._drop(place, error)

    def _drop(self, place: int, error: Exception) -> None:
        """Let a member leave; raises its error if it is the last one."""
        if self._here == (place,):
            raise error
        member = self._members[place]
        self._here = tuple(n for n in self._here if n != place)
        self._left |= {**member.dropped, member.name: described(error)[1]}
        self._spend(member)
        member.close()

    def _spend(self, member: SpanMember) -> None:
        for name, usage in member.usage().items():
            self._usage[name] = self._usage.get(name, Usage()) + usage

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
        for member in (self._members[n] for n in self._here):
            self._spend(member)
            self._left |= member.dropped
        return replace(
            self._answer.close(self._usage), spans=tuple(self._spans), left=dict(self._left)
        )


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

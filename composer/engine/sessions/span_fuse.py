"""Span fusion: in each round all members propose a span, all score the proposals, one is kept.

Cool-Fusion, arXiv:2407.19807; SweetSpan, arXiv:2409.18583; SpecFuse, arXiv:2412.07380. The
algorithm calls members through `SpanMember`, which may be sequences of the engine (`span_members`)
or clients of servers: it runs in the engine's thread, where members' requests share engine steps,
or as an asynchronous task.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from composer.engine.generation import GenerationState
from composer.engine.sessions.span_asking import Candidate, SpanRequest, WholeAnswer
from composer.engine.sessions.span_rounds import Round, judge, pooled
from composer.values.errors import ModelError, described
from composer.values.gather import MissingAnswer, attempt
from composer.values.results import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from composer.engine.sessions.span_asking import SpanMember, Together
    from composer.engine.sessions.span_parts import (
        Boundary,
        Branching,
        Exit,
        Filter,
        Measure,
        ScoredRound,
        SpanWeigh,
        SpanWeights,
        Splitter,
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

    `members` are those of the fuse with a weight; they are opened and closed here. With `rerank`
    nothing of the answer is known before its end.
    """
    draft = _unread(answer) if fuse.rerank else answer
    fusion = _SpanFusion(fuse, members, together, draft, query)
    try:
        await fusion.open()
        while draft.finish is None:
            max_tokens = min(fuse.max_span_tokens, draft.sampling.max_tokens - len(draft.tokens))
            if max_tokens <= 0:
                draft.finish = "length"
            elif not (places := fusion.places()):
                draft.finish = "context"
            else:
                await fusion.round(places, max_tokens)
        if fuse.rerank:
            await fusion.rerank(answer)
    finally:
        fusion.close()
    return fusion.completion()


def _unread(answer: GenerationState) -> GenerationState:
    """Return an answer that nobody reads while it is written; stop strings stay part of it."""
    sampling = replace(answer.sampling, keep_stop=True)
    return GenerationState(sampling, None, answer.detail)


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
        self._members, self._together, self._answer = list(members), together, answer
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
        tokenizers = self._tokenizers(places)
        request = SpanRequest(self._boundary, self._branching, max_tokens, before, tokenizers)
        round_ = await self._judged(places, request)
        if round_ is None:  # those who rest go on
            return
        self._weights.learn(round_.scored)
        if self._exits is not None:
            self._exits.learn(round_.scored)
        self._accept(round_.best)
        self._write(round_.best, round_.logprob)

    def _tokenizers(self, places: Sequence[int]) -> list[Splitter]:
        """Return the different tokenizers of some members, if the boundary reads them."""
        if not self._boundary.reads_tokenizers:
            return []
        found = (each for place in places for each in self._members[place].tokenizers)
        return list({each.fingerprint: each for each in found}.values())

    async def rerank(self, answer: GenerationState) -> None:
        """Let every member write a whole answer; the best of these and the fused one is kept."""
        draft = self._answer
        self.close()
        for place in self._here:
            self._members[place] = self._members[place].anew()
        await self.open()
        ended = draft.finish == "stop" and not draft.writer.stopped
        text = draft.writer.close().encode()
        fused = Candidate(text, ended, tuple(draft.tokens), tuple(draft.choices))
        whole = WholeAnswer(stop=draft.sampling.stop)
        request = SpanRequest(whole, None, draft.sampling.max_tokens, "")
        round_ = await self._judged(self._here, request, (fused,))
        assert round_ is not None  # the last member does not leave
        self._spans[-1] = replace(self._spans[-1], whole=True)
        self._answer = answer
        self._write(round_.best, round_.logprob)
        if round_.best == fused:
            answer.logprobs, answer.finish = draft.logprobs, draft.finish
        elif answer.finish is None:
            is_full = len(answer.tokens) < answer.sampling.max_tokens
            answer.finish = "context" if is_full else "length"

    async def _judged(
        self, places: Iterable[int], request: SpanRequest, given: Sequence[Candidate] = ()
    ) -> Round | None:
        """Let members propose, and score all proposals and `given`; None if all of them left."""
        proposals = await self._ask(places, lambda member: member.propose(request))
        offered = list(dict.fromkeys((*given, *pooled(proposals))))
        judged = await self._ask(proposals, lambda member: judge(member, offered, self._measure))
        if not judged:
            return None
        weights = self._weights.weights(self._answer.writer.text)
        round_ = Round(proposals, judged, weights, self._filter, given)
        self._spans.append(round_.record([self._members[n].name for n in judged]))
        return round_

    def close(self) -> None:
        """Close all members."""
        for place in self._here:
            self._close(self._members[place])

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
        self._close(member)
        self._left[member.name] = described(error)[1]

    def _close(self, member: SpanMember) -> None:
        """Note what a member took and who left it, and free what it holds."""
        self._left |= member.dropped
        for name, usage in member.usage().items():
            self._usage[name] = self._usage.get(name, Usage()) + usage
        member.close()

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
        """Return the answer with its spans and what it took, after `close`."""
        completion = self._answer.close(self._usage)
        return replace(completion, spans=tuple(self._spans), left=dict(self._left))


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

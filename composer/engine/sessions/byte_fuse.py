"""Byte fusion: members agree on the text byte by byte, each in tokens of its own.

Agreement-based ensembling, arXiv:2502.21265. Members go on together as long as what one of them
writes is a beginning of what the others write. A member that is ahead waits; one that is behind
may only write what the text says already, or that and more. Of several hypotheses the `beam`
likeliest go on. An answer that is sampled has one hypothesis.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import torch

from composer.engine.distribution import Distributions
from composer.engine.generation import GenerationState
from composer.engine.sample import draw
from composer.engine.sessions.alternatives import Alternatives
from composer.engine.sessions.base import all_of, dropped_members, usage_by_member
from composer.engine.sessions.byte_moves import END, ByteMember, EntryIndex, agreements
from composer.engine.sessions.byte_search import search_bytes
from composer.engine.sessions.generate import open_sequence
from composer.engine.sessions.prompt_weights import set_prompt_weights
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.engine.group import Group
    from composer.engine.requests.rank import Ranked
    from composer.engine.sessions.byte_moves import Agreement, Continuation
    from composer.specs import ByteFuse
    from composer.values.details import TokenChoice
    from composer.values.requests import Generate
    from composer.values.results import Completion

__all__ = ["byte_fuse"]


async def byte_fuse(
    fuse: ByteFuse, groups: Sequence[Group], job: Generate, on_text: Callable[[str], None] | None
) -> Completion:
    """Generate the text that the members with a weight agree on, until all of them end."""
    if fuse.tokenizations is not None:
        return await search_bytes(fuse, groups, job, on_text)
    search = _Search(fuse, job, on_text)
    try:
        first = _Hypothesis([], GenerationState(job.sampling, None))
        search.active.append(first)
        for name, weight, group, model in zip(
            fuse.names, fuse.normalized_weights(), groups, fuse.members, strict=True
        ):
            if weight:
                sequence = open_sequence(group, job, group.weights(model))
                first.members.append(ByteMember(name, weight, sequence, EntryIndex.of(group)))
                await set_prompt_weights(sequence, job.query)
        best = await search.run()
        usage = usage_by_member(
            (m.name, m.sequence.group, m.sequence.usage()) for m in best.members
        )
        dropped = dropped_members(m.sequence for m in best.members)
        return replace(search.answer.close(usage), left=dropped)
    finally:
        search.close()


class _Step(NamedTuple):
    """A continuation of the text with its log-probability, and its details where wanted."""

    continuation: Continuation
    logprob: float
    choice: TokenChoice | None


@dataclass(eq=False)
class _Hypothesis:
    """One possible answer, and where each member is in it.

    `steps` are the continuations so far, each with its log-probability. Tokens that add nothing to
    the text add their log-probability to `pending_logprob`, for the next step. `others` are the
    ways in which it can go on now, where details are wanted. `error` says why the hypothesis
    cannot go on.
    """

    members: list[ByteMember]
    answer: GenerationState
    pending_logprob: float = 0.0
    steps: list[_Step] = field(default_factory=list)
    others: Alternatives | None = None
    error: ModelError | None = None

    @property
    def behind(self) -> list[ByteMember]:
        """The members that write next: those behind the text, or all if none is behind."""
        return [member for member in self.members if member.unwritten] or self.members

    def score(self, way: Agreement | None = None) -> float:
        """The weighted sum of the members' mean log-probabilities, after one more agreement."""
        moves = {} if way is None else dict(zip(map(id, self.behind), way.moves, strict=True))
        return sum(m.weight * m.mean_logprob(moves.get(id(m))) for m in self.members)

    def fork(self) -> _Hypothesis:
        """Return a copy at the same place, with cache rows of its own."""
        twin = replace(self, members=[], answer=copy.deepcopy(self.answer), steps=[*self.steps])
        try:
            for member in self.members:
                twin.members.append(member.fork())
        except BaseException:
            twin.close()
            raise
        return twin

    def accept(self, way: Agreement) -> None:
        """Go on in one way: members that are behind write, the others get more to write."""
        behind, continuation = self.behind, way.continuation
        self.pending_logprob += way.logprob
        for member, move in zip(behind, way.moves, strict=True):
            member.accept(move, continuation)
        for member in self.members:
            if continuation and member not in behind:
                member.unwritten += continuation
        if continuation != b"":
            choice = None
            if self.others is not None:
                choice = self.others.choice(self.members, way, self.pending_logprob)
            step = _Step(continuation, self.pending_logprob, choice)
            self.steps.append(step)
            self.answer.add(continuation or b"", step.logprob, ends=continuation is END)
            self.pending_logprob = 0.0

    def close(self) -> None:
        """Free the rows."""
        for member in self.members:
            member.sequence.close()


class _Search:
    """A beam search: hypotheses that go on, those that are finished, and their common text.

    Each finished hypothesis takes a place of the beam; the search ends when all places are taken.
    The likeliest finished hypothesis is the answer.
    """

    def __init__(
        self, fuse: ByteFuse, job: Generate, on_text: Callable[[str], None] | None
    ) -> None:
        self.active: list[_Hypothesis] = []
        self.finished: list[_Hypothesis] = []
        self.answer = GenerationState.of(job, on_text)
        self._top, self._sampling = fuse.top, job.sampling
        self._beam = 1 if job.sampling.temperature > 0 else fuse.beam
        self._random = random.Random(job.sampling.seed)  # noqa: S311  # not for secrets
        self._shown = 0

    async def run(self) -> _Hypothesis:
        """Search; return the likeliest finished hypothesis."""
        while self.active:
            for hypothesis in self.active:
                if not all(m.sequence.drop_full_members() for m in hypothesis.members):
                    hypothesis.answer.finish = "context"
            self._sort(self.active)
            if self.active:
                await self._step()
            self._show()
        best = max(self.finished, key=lambda hypothesis: hypothesis.score())
        self._finish(best)
        return best

    def close(self) -> None:
        """Free all rows."""
        for hypothesis in (*self.active, *self.finished):
            hypothesis.close()

    async def _step(self) -> None:
        """Extend every hypothesis in its likeliest ways, and keep the best of all."""
        requests = [
            [member.request(self._top, hypothesis.answer) for member in hypothesis.behind]
            for hypothesis in self.active
        ]
        possible = [[rank for rank in ranks if rank is not None] for ranks in requests]
        rankings = iter(await all_of([rank for ranks in possible for rank in ranks]))
        uniform = self._random.random()
        children: list[tuple[_Hypothesis, Agreement]] = []
        for hypothesis, ranks, sound in zip(self.active, requests, possible, strict=True):
            ranked = [next(rankings) for _ in sound]
            if len(sound) < len(ranks):
                hypothesis.error = _no_token(hypothesis.behind[ranks.index(None)])
            else:
                ways = self._ways(hypothesis, ranked, uniform)
                children += [(hypothesis, way) for way in ways]
        if not children and not self.finished:
            raise next(h.error for h in self.active if h.error is not None)
        best = sorted(children, key=lambda child: -child[0].score(child[1]))
        self._grow(best[: self._beam - len(self.finished)])

    def _ways(
        self, hypothesis: _Hypothesis, rankings: Sequence[Ranked], uniform: float
    ) -> Sequence[Agreement]:
        """How a hypothesis goes on: in its likeliest ways, or in one way that is sampled."""
        try:
            ways = agreements(hypothesis.behind, rankings, self._top, self._beam)
        except ModelError as error:
            hypothesis.error = error
            return ()
        if self.answer.detail is not None:
            moves = dict(zip(hypothesis.behind, rankings, strict=True))
            hypothesis.others = Alternatives(ways, moves, self.answer.detail)
        if self._sampling.temperature > 0:
            logprobs = torch.tensor([[way.logprob for way in ways]], dtype=torch.float64)
            drawn = draw(Distributions(logprobs), [0], [self._sampling], [uniform])
            return (ways[int(drawn)],)
        return ways[: self._beam]

    def _grow(self, children: Sequence[tuple[_Hypothesis, Agreement]]) -> None:
        """Replace hypotheses by their children; all but the first child of each are forks."""
        twins: list[_Hypothesis] = []
        try:
            for parent, _ in children:
                twins.append(parent.fork() if parent in twins else parent)
        except BaseException:
            for twin in twins:
                twin.close()
            raise
        for hypothesis in self.active:
            if hypothesis not in twins:
                hypothesis.close()
        for twin, (_, way) in zip(twins, children, strict=True):
            twin.accept(way)
        self._sort(twins)

    def _sort(self, hypotheses: Sequence[_Hypothesis]) -> None:
        """Separate hypotheses that go on from those that are finished."""
        self.finished += [h for h in hypotheses if h.answer.finish is not None]
        self.active = [h for h in hypotheses if h.answer.finish is None]

    def _show(self) -> None:
        """Write the text that all hypotheses have in common."""
        hypotheses = [*self.active, *self.finished]
        while all(len(hypothesis.steps) > self._shown for hypothesis in hypotheses):
            step = hypotheses[0].steps[self._shown]
            if any(hypothesis.steps[self._shown] is not step for hypothesis in hypotheses):
                return
            self._add(step)
            self._shown += 1

    def _finish(self, best: _Hypothesis) -> None:
        """Write the rest of the answer."""
        for step in best.steps[self._shown :]:
            self._add(step)
        self.answer.finish = best.answer.finish

    def _add(self, step: _Step) -> None:
        ends = step.continuation is END
        self.answer.add(step.continuation or b"", step.logprob, ends=ends, choice=step.choice)


def _no_token(member: ByteMember) -> ModelError:
    message = f"{member.name} has no token that begins with {member.unwritten!r}"
    return ModelError("E305", message, "leave this member out")

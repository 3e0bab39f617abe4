"""Writing what members agree on byte by byte, each in tokens of its own.

Agreement-based ensembling, arXiv:2502.21265: members move together as long as what one of them
writes is a prefix of what the others do. Who is ahead waits, and who is behind may only write
what the text already says, or more. Nobody's tokens are ever cut anew. Of several hypotheses,
each with tokens of its own, the `beam` likeliest go on; an answer that is drawn is one hypothesis.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from composer.engine.distribution import Distributions
from composer.engine.generation import GenerationState
from composer.engine.sample import draw
from composer.engine.sessions.base import all_of, dropped_members, usage_by_member
from composer.engine.sessions.byte_moves import END, ByteMember, EntryIndex, agreements
from composer.engine.sessions.generate import open_sequence
from composer.engine.sessions.prompt_weights import set_prompt_weights
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.engine.group import Group
    from composer.engine.requests.rank import Ranked
    from composer.engine.sessions.byte_moves import Agreement, Bytes
    from composer.specs import ByteFuse
    from composer.values.requests import Completion, Generate, Sampling

__all__ = ["byte_fuse"]


async def byte_fuse(
    fuse: ByteFuse, groups: Sequence[Group], job: Generate, on_text: Callable[[str], None] | None
) -> Completion:
    """Write what the members agree on until all of them end."""
    search = _Search(fuse, job.sampling, on_text)
    try:
        first = _Hypothesis([], GenerationState(job.sampling, None))
        search.active.append(first)
        for name, weight, group, part in zip(
            fuse.names, fuse.normalized_weights(), groups, fuse.members, strict=True
        ):
            if weight:
                sequence = open_sequence(group, job, group.weights(part))
                first.members.append(ByteMember(name, weight, sequence, EntryIndex.of(group)))
                await set_prompt_weights(sequence, job.query)
        best = await search.run()
        usage = usage_by_member(
            (m.name, m.sequence.group, m.sequence.usage()) for m in best.members
        )
        return replace(
            search.answer.close(usage), left=dropped_members(m.sequence for m in best.members)
        )
    finally:
        search.close()


@dataclass(eq=False)
class _Hypothesis:
    """One answer on its way: where each member is in it.

    `steps` are what was added, piece by piece, with the log-probability of each; that of tokens
    that added nothing `waits` for the next. `why` says why nothing can be added.
    """

    members: list[ByteMember]
    answer: GenerationState
    pending_logprob: float = 0.0
    steps: list[tuple[Bytes, float]] = field(default_factory=list)
    error: ModelError | None = None

    @property
    def behind(self) -> list[ByteMember]:
        """Those who are behind the text; all of them where nobody is."""
        return [member for member in self.members if member.unwritten] or self.members

    def score(self, way: Agreement | None = None) -> float:
        """The weighted sum of the mean log-probability of a token, after one more way to go on."""
        written = {} if way is None else dict(zip(map(id, self.behind), way[2], strict=True))
        return sum(each.weight * each.mean_logprob(written.get(id(each))) for each in self.members)

    def fork(self) -> _Hypothesis:
        """A second one at the same place."""
        twin = replace(self, members=[], answer=copy.deepcopy(self.answer), steps=[*self.steps])
        try:
            for member in self.members:
                twin.members.append(member.fork())
        except BaseException:
            twin.close()
            raise
        return twin

    def accept(self, way: Agreement) -> None:
        """Go on in one way: those who are behind write, all others have that much more to write."""
        value, more, moves = way
        late = self.behind
        for member, move in zip(late, moves, strict=True):
            member.accept(move, more)
        for member in self.members:
            if more and member not in late:
                member.unwritten += more
        self.pending_logprob += value
        if more != b"":
            self.steps.append((more, self.pending_logprob))
            _add(self.answer, self.steps[-1])
            self.pending_logprob = 0.0

    def close(self) -> None:
        """Give the rows back."""
        for member in self.members:
            member.sequence.close()


class _Search:
    """The hypotheses that go on, those that have ended, and the answer that all of them begin.

    As many as have ended fewer go on, until there are `beam` that have; the likeliest is the
    answer.
    """

    def __init__(
        self, fuse: ByteFuse, how: Sampling, on_text: Callable[[str], None] | None
    ) -> None:
        self.active: list[_Hypothesis] = []
        self.finished: list[_Hypothesis] = []
        self.answer = GenerationState(how, on_text)
        self._top, self._how = fuse.top, how
        self._beam = 1 if how.temperature > 0 else fuse.beam
        self._random = random.Random(how.seed)  # noqa: S311  # not for secrets
        self._shown = 0

    async def run(self) -> _Hypothesis:
        """Write until the likeliest answer is known."""
        while self.active:
            for each in self.active:
                if not all(member.sequence.drop_full_members() for member in each.members):
                    each.answer.finish = "context"
            self._sort(self.active)
            if self.active:
                await self._step()
            self._show()
        best = max(self.finished, key=lambda each: each.score())
        self._finish(best)
        return best

    def close(self) -> None:
        """Give all rows back."""
        for each in (*self.active, *self.finished):
            each.close()

    async def _step(self) -> None:
        """Let every hypothesis go on in its likeliest ways, and keep the best of all."""
        asked = [
            (each, [member.request(self._top, each.answer) for member in each.behind])
            for each in self.active
        ]
        sound = [[rank for rank in some if rank is not None] for _, some in asked]
        found = iter(await all_of([rank for some in sound for rank in some]))
        luck = self._random.random()
        grown: list[tuple[_Hypothesis, Agreement]] = []
        for (each, some), own in zip(asked, sound, strict=True):
            ranked = [next(found) for _ in own]
            if len(own) < len(some):
                each.error = _wordless(each.behind[some.index(None)])
            else:
                grown += [(each, way) for way in self._ways(each, ranked, luck)]
        if not grown and not self.finished:
            raise next(each.error for each in self.active if each.error is not None)
        best = sorted(grown, key=lambda one: -one[0].score(one[1]))
        self._grow(best[: self._beam - len(self.finished)])

    def _ways(self, each: _Hypothesis, found: Sequence[Ranked], luck: float) -> Sequence[Agreement]:
        """How a hypothesis may go on: in its likeliest ways, or in one that is drawn."""
        try:
            ways = agreements(each.behind, found, self._top, self._beam)
        except ModelError as error:
            each.error = error
            return ()
        if self._how.temperature > 0:
            ranked = torch.tensor([[value for value, _, _ in ways]], dtype=torch.float64)
            return (ways[int(draw(Distributions(ranked), [0], [self._how], [luck]))],)
        return ways[: self._beam]

    def _grow(self, children: Sequence[tuple[_Hypothesis, Agreement]]) -> None:
        """Move on: the first child of a hypothesis takes its place, others are forks of it."""
        twins: list[_Hypothesis] = []
        try:
            for parent, _ in children:
                twins.append(parent.fork() if parent in twins else parent)
        except BaseException:
            for twin in twins:
                twin.close()
            raise
        for each in self.active:
            if each not in twins:
                each.close()
        for twin, (_, way) in zip(twins, children, strict=True):
            twin.accept(way)
        self._sort(twins)

    def _sort(self, hypotheses: Sequence[_Hypothesis]) -> None:
        """Tell those that go on from those that have ended."""
        self.finished += [each for each in hypotheses if each.answer.finish is not None]
        self.active = [each for each in hypotheses if each.answer.finish is None]

    def _show(self) -> None:
        """Write what all hypotheses begin with."""
        every = [*self.active, *self.finished]
        while all(len(each.steps) > self._shown for each in every):
            step = every[0].steps[self._shown]
            if any(each.steps[self._shown] is not step for each in every):
                return
            _add(self.answer, step)
            self._shown += 1

    def _finish(self, best: _Hypothesis) -> None:
        """Write the rest of the answer."""
        for step in best.steps[self._shown :]:
            _add(self.answer, step)
        self.answer.finish = best.answer.finish


def _add(answer: GenerationState, step: tuple[Bytes, float]) -> None:
    more, logprob = step
    answer.add(more or b"", logprob, ends=more is END)


def _wordless(member: ByteMember) -> ModelError:
    said = f"{member.name} has no token that begins with {member.unwritten!r}"
    return ModelError("E305", said, "leave this member out")

"""Writing an answer with drafts: one side proposes entries, the other judges them in one pass.

Speculative Ensemble, arXiv:2502.01662. The lead drafts; the other members judge all it drafted in
one pass, and where nothing was refused they propose the next entry, which the lead judges in the
pass with which it drafts on. What is written is distributed as the fuse (greedy: the same).
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.engine.fuse_tree import FuseNode
from composer.engine.generation import GenerationState
from composer.engine.requests.base import Phase
from composer.engine.requests.read_logits import Prefill
from composer.engine.requests.speculative import DraftingMembers, SpeculativeStep
from composer.engine.sessions.drafted import DraftedAnswer
from composer.engine.sessions.generate import generate, open_sequence, total_usage
from composer.methods.draft import Draft
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from composer.engine.group import Group
    from composer.engine.requests.speculative import StepResult
    from composer.specs import TokenFuse
    from composer.values.requests import Generate
    from composer.values.results import Completion

__all__ = ["Accepted", "Speculative", "acceptance"]

_MOST = 8  # beyond, too few of a draft's last entries are accepted
_UNKNOWN = 4  # where sizes are not known


class Speculative(Draft):
    """Speculative decoding: one member drafts tokens, and the others accept or replace them.

    The `lead` drafts `tokens` tokens; if all of them are accepted, the others propose the next one,
    which the lead checks. Greedy answers are the same as without a draft, and sampled ones have the
    same distribution. By default `tokens` is the ratio of the others' parameters to the lead's,
    from 1, where members of one size take turns, to 8. In a token cascade the first member leads.
    """

    name: ClassVar[str] = "speculative"
    paper: ClassVar[str] = "arXiv:2502.01662"
    alike: ClassVar[bool] = True

    tokens: int | None = Field(default=None, ge=1, le=64)
    lead: Literal["cheapest", "first"] = "cheapest"

    async def write(
        self,
        group: Group,
        fuse: TokenFuse,
        job: Generate,
        on_text: Callable[[str], None] | None,
    ) -> Completion:
        """Draft by the lead, and let the others judge; one member alone just writes."""
        weights = group.weights(fuse)
        sides = _sides(group, weights, self.lead)
        if len(sides) == 1:
            return await generate(group, fuse, job, on_text)
        answer = GenerationState.of(job, on_text)
        count = self.tokens or _fitting(group, sides)
        sequence = open_sequence(group, job, weights)
        drafting = _Drafting(sequence, answer, sides=sides, tokens=count)
        try:
            await drafting.run()
            usage = total_usage(drafting.sequence, drafting.answer)
        finally:
            drafting.sequence.close()
        return replace(drafting.answer.close(usage), facts=drafting.sequence.facts)


async def acceptance(group: Group, fuse: TokenFuse, job: Generate) -> tuple[Accepted, Accepted]:
    """Write an answer by turns; return what was accepted of the lead's proposals, and the others'.

    A fuse of which one member has a weight has no proposals.
    """
    weights = group.weights(fuse)
    sides = _sides(group, weights, "cheapest")
    if len(sides) == 1:
        return Accepted(), Accepted()
    sequence = open_sequence(group, job, weights)
    drafting = _Drafting(sequence, GenerationState.of(job, None), sides=sides, tokens=1)
    try:
        await drafting.run()
    finally:
        drafting.sequence.close()
    lead, others = (drafting.accepted_of.get(side, Accepted()) for side in sides)
    return lead, others


@dataclass(frozen=True)
class Accepted:
    """How many proposals were judged, and how many of these accepted."""

    judged: int = 0
    accepted: int = 0

    def __add__(self, other: Accepted) -> Accepted:
        return Accepted(self.judged + other.judged, self.accepted + other.accepted)

    @property
    def share(self) -> float:
        """The share that was accepted; 0 where none was judged."""
        return self.accepted / self.judged if self.judged else 0.0


def _sides(group: Group, weights: Sequence[float], lead: str) -> tuple[DraftingMembers, ...]:
    """The lead and the others, of members that have a weight; raises ModelError."""
    root = group.root
    if not isinstance(root, FuseNode) or root.maps is not None:
        names = ", ".join(slot.name for slot in group.slots)
        raise ModelError("E305", f"{names} have different vocabularies", "write `draft = safe()`")
    run = [n for n, weight in enumerate(weights) if weight]
    cheapest = lead == "cheapest" and not root.combine.cascade
    first = min(run, key=lambda n: _size(group, n)) if cheapest else run[0]
    rest = tuple(n for n in run if n != first)
    return tuple(_side(root, weights, part) for part in ((first,), rest) if part)


def _size(group: Group, member: int) -> float:
    """How many parameters a member has; infinite where a server does not say."""
    assert isinstance(group.root, FuseNode)
    models = {group.slots[n].runner.model for n in group.root.children[member].slots}
    counts = [model.parameters for model in models]
    return math.inf if None in counts else sum(count for count in counts if count is not None)


def _fitting(group: Group, sides: Sequence[DraftingMembers]) -> int:
    """How many entries the lead drafts while the others would have read one."""
    lead, others = (sum(_size(group, n) for n in side.members) for side in sides)
    if math.inf in (lead, others):
        return _UNKNOWN
    return min(_MOST, max(1, round(others / lead)))


def _side(root: FuseNode, weights: Sequence[float], members: tuple[int, ...]) -> DraftingMembers:
    """Some members; what they propose leans to what all of them say, whatever a weight's sign."""
    total = sum(abs(weights[n]) for n in members)
    own = (abs(w) / total if n in members else 0.0 for n, w in enumerate(weights))
    slots = frozenset(slot for n in members for slot in root.children[n].slots)
    return DraftingMembers(members, slots, tuple(own))


@dataclass(eq=False, kw_only=True)
class _Drafting(DraftedAnswer):
    """An answer that the sides write in turns of `tokens`; `owner` proposed what is pending.

    `accepted_of` counts what was accepted of each side's proposals.
    """

    sides: tuple[DraftingMembers, ...]
    tokens: int
    owner: DraftingMembers | None = None
    accepted_of: dict[DraftingMembers, Accepted] = field(default_factory=dict)
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.answer.sampling.seed)  # noqa: S311  # not for secrets

    async def run(self) -> None:
        """Cycle after cycle: the lead's turns, then one of the others."""
        await Prefill(self.sequence)
        while self.answer.finish is None:
            for phase in range(self.tokens + 1):
                side = self.sides[phase == self.tokens]
                if phase in (0, self.tokens):
                    self._mark(side)
                step = self._prepare(side, phase)
                if step is not None and self.answer.finish is None:
                    self._take(step, (await step))
        self.sequence.truncate(self.written)

    def _mark(self, side: DraftingMembers) -> None:
        """All that the side has read is written: models that cannot be cut back come back here."""
        for slot, state in self.sequence.states.items():
            if slot in side.slots:
                state.slot.runner.rows.snapshot(state.row)

    def _prepare(self, side: DraftingMembers, phase: int) -> SpeculativeStep | None:
        """Prepare what a side can do now: judge the other's proposals, and propose."""
        judged = self.pending if self.owner != side else []
        more = self.room() > 0
        if not judged and not more:
            return None
        uniforms = tuple(self.rng.random() for _ in range(len(judged) + 2))
        at = Phase((self.sequence.group, self.tokens, self.sides[0].members), phase)
        how = self.answer.sampling
        ahead = max(1, self.tokens - phase) if more and how.temperature == 0 else 1
        judge = tuple(judged), more, uniforms, at, ahead, self.answer.detail
        return SpeculativeStep(self.sequence, how, side, self.written, *judge)

    def _take(self, step: SpeculativeStep, result: StepResult) -> None:
        """Write what was accepted and what stands instead; keep the proposal."""
        if step.proposals:
            self._count(result)
            self.take(result)
        if result.proposal is not None:
            self.owner = step.drafters
            self.propose(result.proposal)
        elif (
            not self.pending and self.answer.finish is None and self.sequence.remaining_context < 0
        ):
            self.answer.finish = "context"

    def _count(self, result: StepResult) -> None:
        """Count what was accepted of the owner's proposals, up to the first that was not."""
        assert self.owner is not None
        count = len(result.accepted)
        judged = Accepted(count + (result.replacement is not None), count)
        self.accepted_of[self.owner] = self.accepted_of.get(self.owner, Accepted()) + judged

"""Writing an answer whose next entries were proposed: those that are accepted are kept.

`write_with_draft` takes its proposals from a text that the answer may repeat, such as the answer of
a weaker model. It is for greedy answers, which it does not change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.engine.requests.base import Phase
from composer.engine.requests.draw import Draw
from composer.engine.requests.speculative import DraftingMembers, Proposal, SpeculativeStep
from composer.engine.rows.remote import RemoteRunner

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.generation import GenerationState
    from composer.engine.group import Group
    from composer.engine.requests.draw import Drawn
    from composer.engine.requests.speculative import StepResult
    from composer.engine.sequence import SequenceState
    from composer.values.requests import Generate

__all__ = ["DraftedAnswer", "following", "repeats_draft", "write_with_draft"]

_AHEAD = 8  # entries that are checked in one pass
_CONTEXT = 2  # entries that must agree before what follows them in the draft is proposed
_START = -1  # stands before the first entry


@dataclass(eq=False)
class DraftedAnswer:
    """An answer on its way, with proposals `pending` behind the `written` entries.

    `accepted` counts the proposals that were written.
    """

    sequence: SequenceState
    answer: GenerationState
    written: int = 0
    accepted: int = 0
    pending: list[Proposal] = field(default_factory=list)

    def propose(self, proposal: Proposal) -> None:
        """Put a proposal behind the others; an end is proposed, but never read."""
        self.pending.append(proposal)
        if proposal.entry not in self.sequence.group.space.ends:
            self.sequence.append(proposal.entry)

    def take(self, result: StepResult) -> None:
        """Write the proposals that were accepted, and what stands in place of the first other."""
        self.pending = []
        for drawn in result.accepted:
            self.accepted += self.answer.finish is None
            self.write(drawn)
        if result.replacement is not None and self.answer.finish is None:
            self.sequence.truncate(self.written)
            if result.replacement.entry not in self.sequence.group.space.ends:
                self.sequence.append(result.replacement.entry)
            self.write(result.replacement)

    def write(self, drawn: Drawn) -> None:
        """Add an entry, which the sequence has already, to the answer."""
        if self.answer.finish is None:
            group = self.sequence.group
            ends, piece = drawn.entry in group.space.ends, group.piece(drawn.entry)
            self.written += not ends
            self.answer.add(piece, drawn.logprob, ends=ends, choice=drawn.choice)

    def room(self) -> int:
        """How many more entries may be proposed; none behind an end."""
        if self.pending and self.pending[-1].entry in self.sequence.group.space.ends:
            return 0
        most = max(1, self.answer.sampling.max_tokens)
        left = most - len(self.answer.tokens) - len(self.pending)
        return max(0, min(left, self.sequence.remaining_context + 1))


def repeats_draft(group: Group, job: Generate) -> bool:
    """Whether a job has a draft that may be checked: its answer is greedy, its models are here."""
    sampling, root = job.sampling, group.root
    plain = group.gate is None and not getattr(root, "leave", False) and not job.prefix
    here = not any(isinstance(slot.runner, RemoteRunner) for slot in group.slots)
    greedy = sampling.temperature == 0 and sampling.max_length is None
    return bool(job.query.draft) and plain and here and greedy


async def write_with_draft(sequence: SequenceState, answer: GenerationState, draft: str) -> int:
    """Write a greedy answer, by checking what the draft says next; return how much was accepted."""
    group, weights = sequence.group, sequence.weights
    members = tuple(n for n, weight in enumerate(weights) if weight)
    side = DraftingMembers(members, frozenset(sequence.states), tuple(weights))
    vocabulary = group.slots[sequence.first_slot].runner.model.vocabulary
    entries = group.entries_of(sequence.first_slot, vocabulary.extend(draft.encode()))
    text = [_START] * _CONTEXT + entries + sorted(group.space.ends)[:1]
    drafted, phase = DraftedAnswer(sequence, answer), Phase((group, "draft"), 0)
    while answer.finish is None:
        if sequence.remaining_context < 0:
            answer.finish = "context"
            break
        sequence.snapshot()
        for entry in following(text, sequence.entries):
            if drafted.room():
                drafted.propose(Proposal(entry, {}, None))
        if not drafted.pending:
            drawn = await Draw(sequence, answer.sampling, 0.0, phase, detail=answer.detail)
            if drawn.entry not in group.space.ends:
                sequence.append(drawn.entry)
            drafted.write(drawn)
            continue
        uniforms = (0.0,) * (len(drafted.pending) + 2)
        step = SpeculativeStep(
            sequence,
            answer.sampling,
            side,
            drafted.written,
            tuple(drafted.pending),
            drafted.room() > 0,
            uniforms,
            phase,
            detail=answer.detail,
        )
        result = await step
        drafted.take(result)
        if result.proposal is not None and drafted.room():
            drafted.propose(result.proposal)  # the next pass accepts it
    sequence.truncate(drafted.written)
    return drafted.accepted


def following(text: Sequence[int], entries: Sequence[int]) -> Sequence[int]:
    """What follows in a draft where it has the last entries, at the place nearest to their own.

    The text of the draft begins with two starts.
    """
    last = ([_START] * _CONTEXT + list(entries))[-_CONTEXT:]
    places = [n for n in range(_CONTEXT, len(text)) if list(text[n - _CONTEXT : n]) == last]
    place = min(places, key=lambda n: abs(n - _CONTEXT - len(entries)), default=len(text))
    return text[place : place + _AHEAD]

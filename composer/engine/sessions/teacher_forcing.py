"""Teacher forcing: the members' distributions at each token of a given answer.

Gates and weights are fitted on these readings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from composer.engine.distribution import Distributions
from composer.engine.features import features
from composer.engine.requests.read_logits import ReadLogits
from composer.engine.sequence import SequenceState, prompt_tokens
from composer.engine.sessions.passages import encoded
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.group import Group
    from composer.values.flow import Query

__all__ = ["MemberReadings", "teacher_force"]

_AT_ONCE = 256  # positions whose logits are held at the same time


@dataclass(frozen=True, eq=False)
class MemberReadings:
    """What each member predicted before each entry of an answer, and before its end.

    `features` [entry, member, 3] describe its distribution. `logprobs` [entry, member] are those of
    the entry that came, in nats, and `correct` [entry, member] says whether it was the likeliest;
    `likeliest` [entry, member] is the entry that was, the first end for all ends.
    `hidden` [entry, size] are the first member's last hidden states; size 0 if not wanted.
    """

    features: Tensor
    logprobs: Tensor
    correct: Tensor
    hidden: Tensor
    likeliest: Tensor

    @classmethod
    def join(cls, readings: Sequence[MemberReadings]) -> MemberReadings:
        """Concatenate the readings of several answers."""
        return cls(
            torch.cat([reading.features for reading in readings]),
            torch.cat([reading.logprobs for reading in readings]),
            torch.cat([reading.correct for reading in readings]),
            torch.cat([reading.hidden for reading in readings]),
            torch.cat([reading.likeliest for reading in readings]),
        )


async def teacher_force(
    group: Group, query: Query, text: str, *, hidden: bool = False
) -> MemberReadings:
    """Read an answer to all members of a fuse after their prompts; nothing is generated.

    Raises ModelError (E701) if a member cannot read it, E703 if it is too long for one.
    """
    weights = (1.0,) * group.member_count
    ids = {n: prompt_tokens(group.slots[n], query, "") for n in group.running_slots(weights)}
    sequence = SequenceState.open(group, weights, ids)
    try:
        return await _teacher_force(sequence, sequence.encode(encoded(text)), hidden=hidden)
    finally:
        sequence.close()


async def _teacher_force(
    sequence: SequenceState, entries: Sequence[int], *, hidden: bool
) -> MemberReadings:
    _refuse_dropped(sequence)
    sequence.extend(entries)
    if sequence.remaining_context < 0:
        raise ModelError("E703", "the text is longer than the context of a member")
    targets = [*entries, None]
    positions = {n: [*state.entry_starts, len(state.ids)] for n, state in sequence.states.items()}
    hidden_slots = frozenset(sequence.group.first_slots[:1] if hidden else ())
    readings: list[MemberReadings] = []
    for start in range(0, len(targets), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        at = {slot: slot_positions[part] for slot, slot_positions in positions.items()}
        by_slot = await ReadLogits(sequence, at, hidden_slots)
        _refuse_dropped(sequence)
        logits = [by_slot.get(slot) for slot in range(len(sequence.group.slots))]
        readings.append(_readings(sequence.group, logits, targets[part], hidden=hidden))
    return MemberReadings.join(readings)


def _refuse_dropped(sequence: SequenceState) -> None:
    """Raise ModelError (E701) if a member was dropped."""
    if sequence.dropped:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in sequence.dropped.items())
        raise ModelError("E701", f"some members could not read the text: {reasons}")


def _readings(
    group: Group, logits: Sequence[Tensor | None], targets: Sequence[int | None], *, hidden: bool
) -> MemberReadings:
    """Compute the readings from logits [position, width] by slot; None as target is the end."""
    aligned = group.aligned(logits)
    rows = torch.arange(len(targets), device=group.device)
    end_entries = sorted(group.space.ends)
    ends = torch.tensor(end_entries, dtype=torch.long, device=group.device)
    is_end = torch.tensor([target is None for target in targets], device=group.device)
    entries = torch.tensor([target or 0 for target in targets], device=group.device)
    logprobs, correct, likeliest = [], [], []
    for n in range(len(aligned.members)):
        distribution = aligned.to_entries(Distributions(aligned.probabilities(n), linear=True))
        end_logprobs = distribution.logprob_of_any(rows, end_entries)
        entry_logprobs = distribution.logprobs_of(rows, entries)
        logprobs.append(torch.where(is_end, end_logprobs, entry_logprobs))
        best = distribution.entries_at(rows, distribution.scores.argmax(-1))
        is_best_end = torch.isin(best, ends)
        correct.append(torch.where(is_end, is_best_end, best == entries))
        likeliest.append(best.masked_fill(is_best_end, min(end_entries, default=0)))
    states = group.first_hidden_states(logits) if hidden else None
    return MemberReadings(
        torch.stack([features(member) for member in aligned.members], 1).cpu(),
        torch.stack(logprobs, 1).cpu(),
        torch.stack(correct, 1).cpu(),
        (torch.zeros(len(targets), 0) if states is None else states).cpu(),
        torch.stack(likeliest, 1).cpu(),
    )

"""What the members of a fuse say while a given answer is read to them: what gates learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from composer.engine.distribution import Distributions
from composer.engine.features import features
from composer.engine.requests.read_logits import ReadLogits
from composer.engine.sequence import SequenceState, prompt_tokens
from composer.engine.sessions.score import encoded
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
    """At each entry of an answer and at its end, what each member said before it.

    `features` [entry, member, 3] of its distribution, `logprobs` [entry, member] in nats of what
    came, `right` [entry, member] whether that was its likeliest, `hidden` [entry, size] the first
    member's last hidden states, of size 0 unless they were asked for.
    """

    features: Tensor
    logprobs: Tensor
    correct: Tensor
    hidden: Tensor

    @classmethod
    def join(cls, heard: Sequence[MemberReadings]) -> MemberReadings:
        """Put several answers behind each other."""
        return cls(
            torch.cat([each.features for each in heard]),
            torch.cat([each.logprobs for each in heard]),
            torch.cat([each.correct for each in heard]),
            torch.cat([each.hidden for each in heard]),
        )


async def teacher_force(
    group: Group, query: Query, text: str, *, hidden: bool = False
) -> MemberReadings:
    """Read an answer to all members of a fuse after their prompts."""
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
    _complete(sequence)
    sequence.extend(entries)
    if sequence.remaining_context < 0:
        raise ModelError("E703", "the text is longer than the context of a member")
    targets = [*entries, None]
    marks = {n: [*state.entry_starts, len(state.ids)] for n, state in sequence.states.items()}
    lead = frozenset(sequence.group.first_slots[:1] if hidden else ())
    found: list[MemberReadings] = []
    for start in range(0, len(targets), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        at = {n: m[some] for n, m in marks.items()}
        own = await ReadLogits(sequence, at, lead)
        _complete(sequence)
        logits = [own.get(n) for n in range(len(sequence.group.slots))]
        found.append(_heard(sequence.group, logits, targets[some], hidden=hidden))
    return MemberReadings.join(found)


def _complete(sequence: SequenceState) -> None:
    """Refuse to go on without members that left."""
    if sequence.dropped:
        said = "; ".join(f"{name}: {why}" for name, why in sequence.dropped.items())
        raise ModelError("E701", f"some members could not read the text: {said}")


def _heard(
    group: Group, logits: Sequence[Tensor | None], targets: Sequence[int | None], *, hidden: bool
) -> MemberReadings:
    lined = group.aligned(logits)
    rows = torch.arange(len(targets), device=group.device)
    every = sorted(group.space.ends)
    ends = torch.tensor(every, dtype=torch.long, device=group.device)
    last = torch.tensor([target is None for target in targets], device=group.device)
    came = torch.tensor([target or 0 for target in targets], device=group.device)
    logprobs, right = [], []
    for n in range(len(lined.members)):
        said = lined.to_entries(Distributions(lined.probabilities(n), linear=True))
        logprobs.append(
            torch.where(last, said.logprob_of_any(rows, every), said.logprobs_of(rows, came))
        )
        best = said.entries_at(rows, said.scores.argmax(-1))
        right.append(torch.where(last, torch.isin(best, ends), best == came))
    states = group.first_hidden_states(logits) if hidden else None
    return MemberReadings(
        torch.stack([features(each) for each in lined.members], 1).cpu(),
        torch.stack(logprobs, 1).cpu(),
        torch.stack(right, 1).cpu(),
        (torch.zeros(len(targets), 0) if states is None else states).cpu(),
    )

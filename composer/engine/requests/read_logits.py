"""Asking for what models say by themselves, before anything is fused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from composer.engine.fault import drop_nan_member
from composer.engine.requests.base import Replies, StepRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.group import Group
    from composer.engine.requests.reading import MemberLogits
    from composer.engine.sequence import MemberState, SequenceState

__all__ = ["ReadLogits"]


@dataclass(eq=False)
class ReadLogits(StepRequest[Mapping[int, Tensor]]):
    """Ask for the logits of some leaves after some of their own tokens, `at[leaf]` of them.

    The reply has them [mark, width] by leaf. What was read stays read, so that a prompt need not
    be read again. `hidden` names leaves whose last hidden states are wanted too, which then stand
    behind the logits.
    """

    sequence: SequenceState
    at: Mapping[int, Sequence[int]]
    hidden_slots: frozenset[int] = frozenset()

    def reads(self, slot: int) -> bool:
        """Whether a leaf reads for this request."""
        return bool(self.at.get(slot))

    def logit_positions(self, slot: int, state: MemberState) -> tuple[Sequence[int], int]:
        """After how many of a leaf's tokens logits are wanted, and up to where it reads."""
        del state
        return self.at[slot], self.at[slot][-1]

    @classmethod
    def answer(cls, group: Group, asked: Sequence[tuple[ReadLogits, MemberLogits]]) -> Replies:
        """Hand the logits over; those that are no numbers are an error."""
        replies = Replies()
        for request, own in asked:
            logits = own.by_slot()
            if any(each.isnan().any() for each in logits.values()):
                heard = [logits.get(slot) for slot in range(len(group.slots))]
                replies.fail(request, drop_nan_member(request.sequence, heard, slice(None)))
            else:
                replies.give(request, logits)
        return replies

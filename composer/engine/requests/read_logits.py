"""Reading tokens without fusing: the members' own logits, and the prefill of prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.engine.requests.base import Replies, StepRequest, drop_nan_member

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.group import Group
    from composer.engine.requests.reading import MemberLogits
    from composer.engine.sequence import MemberState, SequenceState

__all__ = ["Prefill", "ReadLogits"]


@dataclass(eq=False)
class ReadLogits(StepRequest[Mapping[int, "Tensor"]]):
    """Logits of some slots after the first p of their own tokens, for each p of `at[slot]`.

    The reply has logits [position, width] by slot; for `hidden_slots`, the last hidden states
    follow the logits. The tokens stay in the cache. Logits that are NaN are an error (E704).
    """

    sequence: SequenceState
    at: Mapping[int, Sequence[int]]
    hidden_slots: frozenset[int] = frozenset()

    def reads(self, slot: int) -> bool:
        """Only slots in `at` read."""
        return bool(self.at.get(slot))

    def logit_positions(self, slot: int, state: MemberState) -> tuple[Sequence[int], int]:
        """Logits are wanted where `at` says so."""
        del state
        return self.at[slot], self.at[slot][-1]

    @classmethod
    def answer(cls, group: Group, requests: Sequence[tuple[ReadLogits, MemberLogits]]) -> Replies:
        """Reply with the logits; they stay on the device."""
        replies = Replies()
        for request, request_logits in requests:
            by_slot = request_logits.by_slot()
            if any(logits.isnan().any() for logits in by_slot.values()):
                in_order = [by_slot.get(slot) for slot in range(len(group.slots))]
                replies.fail(request, drop_nan_member(request.sequence, in_order, slice(None)))
            else:
                replies.give(request, by_slot)
        return replies


@dataclass(eq=False, slots=True)
class Prefill(StepRequest[None]):
    """Read all tokens but the last, so that the next request reads as little as others do."""

    sequence: SequenceState

    def logit_positions(self, slot: int, state: MemberState) -> tuple[Sequence[int], int]:
        """No logits are wanted."""
        del slot
        return (), len(state.ids) - 1

    @classmethod
    def answer(cls, group: Group, requests: Sequence[tuple[Prefill, MemberLogits]]) -> Replies:
        """Reply with None."""
        del group
        replies = Replies()
        for request, _ in requests:
            replies.give(request, None)
        return replies

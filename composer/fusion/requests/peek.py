"""Asking for what models say by themselves, before anything is fused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.fusion.fault import fault
from composer.fusion.requests.inquiry import Inquiry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.fusion.cursor import Cursor, Track
    from composer.fusion.group import Group
    from composer.models.checkpoint import ModelError

__all__ = ["Peek", "Peeked"]


@dataclass(eq=False)
class Peeked:
    """Logits [mark, width] by leaf; behind them last hidden states if they were asked for."""

    logits: Mapping[int, Tensor]


@dataclass(eq=False)
class Peek(Inquiry):
    """Ask for the logits of some leaves after some of their own tokens, `at[leaf]` of them.

    Nothing is pushed; what was read stays read, so that a prompt need not be read again. `hidden`
    names leaves whose last hidden states are wanted too, which then stand behind the logits.
    """

    cursor: Cursor
    at: Mapping[int, Sequence[int]]
    hidden: frozenset[int] = frozenset()

    def reads(self, leaf: int) -> bool:
        """Whether a leaf reads for this request."""
        return bool(self.at.get(leaf))

    def marks(self, leaf: int, track: Track) -> tuple[list[int], int]:
        """After how many of a leaf's tokens logits are wanted, and up to where it reads."""
        del track
        return list(self.at[leaf]), self.at[leaf][-1]

    @classmethod
    def answer(
        cls, group: Group, heard: Sequence[tuple[Peek, Mapping[int, Tensor]]]
    ) -> dict[Peek, Peeked | ModelError]:
        """Hand the logits over; those that are no numbers are an error."""
        found: dict[Peek, Peeked | ModelError] = {}
        for request, logits in heard:
            wrong = any(each.isnan().any() for each in logits.values())
            said = [logits.get(leaf) for leaf in range(len(group.leaves))]
            found[request] = (
                fault(request.cursor, said, slice(None)) if wrong else Peeked(dict(logits))
            )
        return found

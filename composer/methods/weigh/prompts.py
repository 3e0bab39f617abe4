"""What the ways to weigh by the prompt share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from composer.engine.sessions.parts import PromptWeigh
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.parts import Member
    from composer.engine.sequence import SequenceState

__all__ = ["ModelPromptWeigh", "weighted"]


class ModelPromptWeigh(PromptWeigh):
    """Weights by the prompt for members that are models, and no fuses of them."""

    def prepare(self, members: Sequence[Member]) -> Self:
        """Refuse members that are fuses themselves: they have no tokens of their own to read."""
        fuse = next((member.name for member in members if member.model is None), None)
        if fuse is not None:
            text = f"`{self.name}` weighs single models by their prompt, but {fuse} is a fuse"
            raise ModelError("E402", text, "put its members directly into this fuse")
        return self


def weighted(sequence: SequenceState) -> list[int]:
    """Return the members that have a weight; one that only leads behind a gate has none."""
    return [n for n in sequence.states if sequence.weights[n]]

"""What ways to weigh by the prompt share: made once for a fuse, and a session for each answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.parts import Member
    from composer.engine.sequence import SequenceState

__all__ = ["lone", "weighed"]


def lone(sides: Sequence[Member], name: str) -> None:
    """Refuse members that are fuses themselves: they have no tokens of their own to read by."""
    nested = next((side.name for side in sides if side.model is None), None)
    if nested is not None:
        said = f"`{name}` weighs single models by their prompt, but {nested} is a fuse"
        raise ModelError("E402", said, "put its members directly into this fuse")


def weighed(sequence: SequenceState) -> list[int]:
    """The members, each its own leaf, that have a weight: not one that only leads behind a gate."""
    return [n for n in sequence.states if sequence.weights[n]]

"""What a way to weigh by the prompt is: made once for a fuse, and a session for each answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from composer.ports.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from composer.fusion.align.base import Side
    from composer.fusion.cursor import Cursor
    from composer.ports.values import Query

__all__ = ["Prior", "lone", "weighed"]


class Prior(Protocol):
    """Factors for the members' weights, in their order; a member of factor 0 is not run."""

    def __call__(self, cursor: Cursor, query: Query) -> Awaitable[tuple[float, ...]]:
        """Find them from the prompts that the members of a cursor read."""


def lone(sides: Sequence[Side], name: str) -> None:
    """Refuse members that are fuses themselves: they have no tokens of their own to read by."""
    nested = next((side.name for side in sides if side.model is None), None)
    if nested is not None:
        said = f"`{name}` weighs models by their prompt, but {nested} is itself a fuse"
        raise ModelError("E402", said, "fuse its members directly")


def weighed(cursor: Cursor) -> list[int]:
    """The members, each its own leaf, that have a weight: not one that only leads behind a gate."""
    return [n for n in cursor.tracks if cursor.weights[n]]

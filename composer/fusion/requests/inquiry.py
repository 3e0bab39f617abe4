"""A kind of request that says itself what it needs read and how it is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.fusion.beat import Beat
    from composer.fusion.cursor import Cursor, Track
    from composer.fusion.group import Group

__all__ = ["Inquiry"]


class Inquiry:
    """A request at a cursor; all of one kind and one group are answered together, once a tick."""

    cursor: Cursor
    beat: Beat | None = None
    hidden: frozenset[int] = frozenset()
    """Leaves whose last hidden states [mark, size] are wanted too, behind the logits."""

    def reads(self, leaf: int) -> bool:  # noqa: ARG002  # others tell leaves apart
        """Whether a leaf reads for this request."""
        return True

    def marks(self, leaf: int, track: Track) -> tuple[list[int], int]:
        """After how many of a leaf's tokens logits are wanted, and up to where it reads."""
        raise NotImplementedError

    @classmethod
    def answer(
        cls, group: Group, heard: Sequence[tuple[Any, Mapping[int, Tensor]]]
    ) -> dict[Any, Any]:
        """Answer requests of this kind by their leaves' logits [mark, width].

        An answer may be an error, which is then its job's alone.
        """
        raise NotImplementedError

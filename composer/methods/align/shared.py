"""Members of one vocabulary, by content: ids mean the same, and nothing is aligned."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.methods.align.tables import Tabled
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from composer.engine.parts import Member

__all__ = ["alike", "shared"]


def alike(sides: Sequence[Member]) -> bool:
    """Whether ids mean the same in all spaces, some of which may be padded."""
    return len({side.space.key for side in sides}) == 1


def shared(sides: Sequence[Member], device: torch.device) -> Tabled:
    """Align members that need no alignment; the space is the narrowest of theirs."""
    if not alike(sides):
        raise ModelError(
            "E305",
            f"{', '.join(side.name for side in sides)} have different vocabularies",
            "add `align = union()`",
        )
    narrow = min((side.space for side in sides), key=len)
    ends = frozenset(e for side in sides for e in side.space.ends if e < len(narrow))
    return Tabled(replace(narrow, ends=ends), None, device)

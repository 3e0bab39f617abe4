"""The union of vocabularies: GaC, arXiv:2406.12585, on bytes instead of token strings.

One entry for each byte string that a member has a token for and that all can write, and one for
the end, which all end tokens map to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from composer.engine.space import Space, lay
from composer.methods.align import Align
from composer.methods.align.shared import one_vocabulary, shared
from composer.methods.align.tables import TableAlignment

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from composer.engine.parts import Member
    from composer.engine.space import Map

__all__ = ["Union", "united"]


class Union(Align):
    """The distribution of every member is written over the union of the vocabularies."""

    name: ClassVar[str] = "union"
    paper: ClassVar[str] = "arXiv:2406.12585"
    vanishes: ClassVar[bool] = True
    whole: ClassVar[bool] = True
    static: ClassVar[bool] = True

    def prepare(self, members: Sequence[Member], device: torch.device) -> TableAlignment:
        """Lay each member's tokens in the union; one vocabulary stays as it is."""
        if one_vocabulary(members):
            return shared(members, device)
        return TableAlignment(*united([member.space for member in members]), device)


def united(spaces: Sequence[Space]) -> tuple[Space, list[Map]]:
    """Return one space for all, and how each lies in it."""
    lacking = frozenset[int]().union(*(space.lacking for space in spaces))
    entries = list(dict.fromkeys(piece for space in spaces for piece in space.ids))
    if lacking:
        entries = [piece for piece in entries if lacking.isdisjoint(piece)]
    end = len(entries)
    key = "+".join(space.content for space in spaces)
    whole = Space(key, [*entries, None], frozenset({end}), lacking=lacking)
    at = {piece: entry for entry, piece in enumerate(entries)}
    return whole, [lay(space, at, end, len(whole)) for space in spaces]

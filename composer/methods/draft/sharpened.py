"""Sharpening: likely entries are given what likely entries that begin with them have.

SAFE, arXiv:2510.15346. Members of unlike vocabularies part a word's probability between tokens of
unlike length, one of which begins the other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from composer.engine.distribution import Distributions
from composer.engine.parts import opened
from composer.specs.parts import Align

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from composer.engine.distribution import Aligned
    from composer.engine.parts import Alignment, Member

__all__ = ["Sharpened", "sharpened"]


class Sharpened(Align):
    """Align as `align` does; what several members say together is sharpened."""

    where: ClassVar[str] = "composer.methods.draft.sharpened:sharpened"

    align: Align
    count: int = 10


def sharpened(
    sides: Sequence[Member], device: torch.device, *, align: Align, count: int
) -> Alignment:
    """Align as another way does; what several members say together is sharpened."""
    return _Sharp(opened(align, sides, device), count)


class _Sharp:
    """An alignment whose fused distribution is sharpened among its `count` likeliest entries."""

    apart = True

    def __init__(self, inner: Alignment, count: int) -> None:
        self.space, self.maps, self.leads = inner.space, inner.maps, inner.leads
        self._inner, self._count = inner, count

    def align(self, heard: Mapping[int, Distributions]) -> Aligned:
        """Line up as the inner alignment does; one member alone stays as it is."""
        lined = self._inner.align(heard)
        if len(heard) == 1:
            return lined
        to_entries = lined.to_entries
        return replace(lined, to_entries=lambda said: self._sharpen(to_entries(said)))

    def _sharpen(self, said: Distributions) -> Distributions:
        p = said.probabilities()
        best = p.topk(min(self._count, p.shape[-1]))
        whole = Distributions(p, linear=True, index=said.index)
        for row, columns in enumerate(best.indices.tolist()):
            known = whole.entries_at(best.indices.new_tensor([row]), best.indices[row]).tolist()
            pieces = [self.space.pieces[entry] or b"" for entry in known]
            more = [
                [other for other, piece in zip(columns, pieces, strict=True) if _begins(own, piece)]
                for own in pieces
            ]
            added = [float(sum(p[row, other] for other in found)) for found in more]
            for column, extra in zip(columns, added, strict=True):
                p[row, column] += extra
        return whole


def _begins(piece: bytes, other: bytes) -> bool:
    return bool(piece) and len(other) > len(piece) and other.startswith(piece)

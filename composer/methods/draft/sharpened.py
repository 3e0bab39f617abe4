"""Sharpening: likely entries are given what likely entries that begin with them have.

SAFE, arXiv:2510.15346. Members of unlike vocabularies part a word's probability between tokens of
unlike length, one of which begins the other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.engine.distribution import Distributions
from composer.engine.parts import Align

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from composer.engine.distribution import Aligned
    from composer.engine.parts import Alignment, Member

__all__ = ["Sharpened"]


class Sharpened(Align):
    """Align as `of` does; the fused distribution of several members is sharpened.

    The `count` likeliest entries get the probability of those that begin with them.
    """

    of: Align
    count: int = 10

    def prepare(self, members: Sequence[Member], device: torch.device) -> Alignment:
        """Make the tables of the inner alignment."""
        return SharpenedAlignment(self.of.prepare(members, device), self.count)


class SharpenedAlignment:
    """An alignment whose fused distribution is sharpened among its `count` likeliest entries."""

    apart = True

    def __init__(self, inner: Alignment, count: int) -> None:
        self.space, self.maps, self.leads = inner.space, inner.maps, inner.leads
        self._inner, self._count = inner, count

    def align(self, distributions: Mapping[int, Distributions]) -> Aligned:
        """Line up as the inner alignment does; one member alone stays as it is."""
        aligned = self._inner.align(distributions)
        if len(distributions) == 1:
            return aligned
        to_entries = aligned.to_entries
        return replace(aligned, to_entries=lambda fused: self._sharpen(to_entries(fused)))

    def _sharpen(self, distribution: Distributions) -> Distributions:
        p = distribution.probabilities()
        best = p.topk(min(self._count, p.shape[-1]))
        whole = Distributions(p, linear=True, index=distribution.index)
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

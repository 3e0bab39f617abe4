"""To each token of the first member the nearest of another's: minimum edit distance, MinED.

PackLLM, arXiv:2404.11531: a member's logit of a token of the first one is that of its own token
that the fewest edits make of it, here of bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from composer.engine.distribution import Distributions
from composer.methods.align.distance import nearest
from composer.methods.align.kept import kept
from composer.methods.align.pivot import Pivot
from composer.methods.align.shared import alike, shared
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.parts import Member
    from composer.engine.space import Space
    from composer.methods.align.tables import Tabled

__all__ = ["Edits", "edits"]


def edits(sides: Sequence[Member], device: torch.device) -> Edits | Tabled:
    """Align members to the first one's tokens by the fewest edits; one vocabulary stays as it is.

    Ends stand for ends. Other tokens without bytes have no likeness: only the first member has a
    say on its own. Which tokens are the nearest is kept in the user's cache.
    """
    if alike(sides):
        return shared(sides, device)
    for side in sides[1:]:
        if not side.space.ids or not sides[0].space.ids:
            raise ModelError(
                "E305",
                f"{sides[0].name} and {side.name} have no tokens that can be compared by "
                "their bytes",
            )
    return Edits(sides, device)


class Edits(Pivot):
    """An alignment that reads a member's logits at the tokens nearest to the first one's."""

    def __init__(self, sides: Sequence[Member], device: torch.device) -> None:
        super().__init__(sides, device)
        first = sides[0].space
        takes = [likest(first, side.space) for side in sides[1:]]
        self._takes = [take.clamp(min=0).to(device) for take in takes]
        self._absent = [(take < 0).to(device) for take in takes]
        self._ends = [torch.tensor(sorted(side.space.ends), device=device) for side in sides[1:]]
        self._end = min(first.ends, default=None)

    def read(self, member: int, said: Distributions) -> Distributions:
        """What a member says of the tokens nearest to the first one's."""
        if not member:
            return said
        scores = said.scores.index_select(1, self._takes[member - 1])
        scores.masked_fill_(self._absent[member - 1], 0.0 if said.linear else -torch.inf)
        ends = self._ends[member - 1]
        if self._end is not None and len(ends):
            own = said.scores.index_select(1, ends)
            scores[:, self._end] = own.sum(-1) if said.linear else own.logsumexp(-1)
        return Distributions(scores, said.linear)


def likest(first: Space, other: Space) -> Tensor:
    """For each entry of a space the other one's that is nearest by its bytes, or -1."""

    def make() -> Tensor:
        entries = [e for e, p in enumerate(first.pieces) if p and e not in first.ends]
        asked = [first.pieces[e] or b"" for e in entries]
        found = nearest(asked, list(other.ids))
        take = torch.full((len(first),), -1)
        take[entries] = torch.tensor(list(other.ids.values()))[torch.from_numpy(found)]
        return take

    return kept("edits", (first.content, other.content), make)

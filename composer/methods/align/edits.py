"""To each token of the first member the nearest of another's: minimum edit distance, MinED.

PackLLM, arXiv:2404.11531: a member's logit of a token of the first one is that of its own token
that the fewest edits make of it, here of bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from composer.engine.distribution import Distributions
from composer.heavy import torch
from composer.methods.align import Align
from composer.methods.align.distance import nearest
from composer.methods.align.pivot import Pivot
from composer.methods.align.shared import one_vocabulary, shared
from composer.methods.align.table_cache import cached_table
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.parts import Member
    from composer.engine.space import Space
    from composer.methods.align.tables import TableAlignment

__all__ = ["Edits", "EditsAlignment"]


class Edits(Align):
    """Match each token of the first member with the token of the other by the fewest byte edits.

    Ends match ends. Of other tokens without bytes only the first member has a distribution. The
    table of matches is kept in the user's cache.
    """

    name: ClassVar[str] = "edits"
    paper: ClassVar[str] = "arXiv:2404.11531"
    vanishes: ClassVar[bool] = True

    def prepare(
        self, members: Sequence[Member], device: torch.device
    ) -> EditsAlignment | TableAlignment:
        """Find the nearest tokens; one vocabulary stays as it is."""
        if one_vocabulary(members):
            return shared(members, device)
        first = members[0]
        for other in members[1:]:
            if not other.space.ids or not first.space.ids:
                names = f"{first.name} and {other.name}"
                text = f"{names} have no tokens that can be compared by their bytes"
                raise ModelError("E305", text)
        return EditsAlignment(members, device)


class EditsAlignment(Pivot):
    """An alignment that reads a member's logits at the tokens nearest to the first one's."""

    def __init__(self, members: Sequence[Member], device: torch.device) -> None:
        super().__init__(members, device)
        first = members[0].space
        takes = [likest(first, member.space) for member in members[1:]]
        self._takes = [take.clamp(min=0).to(device) for take in takes]
        self._absent = [(take < 0).to(device) for take in takes]
        self._ends = [
            torch.tensor(sorted(member.space.ends), device=device) for member in members[1:]
        ]
        self._end = min(first.ends, default=None)

    def read(self, member: int, distribution: Distributions) -> Distributions:
        """What a member says of the tokens nearest to the first one's."""
        if not member:
            return distribution
        scores = distribution.scores.index_select(1, self._takes[member - 1])
        scores.masked_fill_(self._absent[member - 1], 0.0 if distribution.linear else -torch.inf)
        ends = self._ends[member - 1]
        if self._end is not None and len(ends):
            own = distribution.scores.index_select(1, ends)
            scores[:, self._end] = own.sum(-1) if distribution.linear else own.logsumexp(-1)
        return Distributions(scores, distribution.linear)


def likest(first: Space, other: Space) -> Tensor:
    """For each entry of a space the other one's that is nearest by its bytes, or -1."""

    def make() -> Tensor:
        entries = [e for e, p in enumerate(first.pieces) if p and e not in first.ends]
        texts = [first.pieces[e] or b"" for e in entries]
        places = nearest(texts, list(other.ids))
        take = torch.full((len(first),), -1)
        take[entries] = torch.tensor(list(other.ids.values()))[torch.from_numpy(places)]
        return take

    return cached_table("edits", (first.content, other.content), make)

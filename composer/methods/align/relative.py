"""Distributions over likeness to tokens that all members have: DeePEn, arXiv:2404.12715.

A token is described by how alike its embedding is to those of the anchors, the tokens that all
members have: `R = softmax(cos / |cos| / temperature)`, a row a token. A member's distribution
becomes `r = p R`, a distribution over anchors, which can be averaged across vocabularies. What the
first member should say for its own `p R` to be that average is found by a few steps of gradient
descent from what it does say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.engine.distribution import Aligned, Distributions
from composer.heavy import torch
from composer.methods.align import Align
from composer.methods.align.anchor_rows import AnchorRows
from composer.methods.align.inverse_search import InverseSearch
from composer.methods.align.likeliest import Top
from composer.methods.align.pivot import onto, unwritable
from composer.values.capability import Capability
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.engine.parts import Member

__all__ = ["Relative", "RelativeAlignment"]


class Relative(Align):
    """Distributions over similarities to the tokens that all members have; the first member writes.

    The common tokens are the anchors: a token is described by softmax(cos / |cos| / temperature)
    over them. The distribution of the first member is moved with `steps` steps of AdamW at `rate`
    until its description is the combined one. Of a distribution, only the `k` likeliest tokens with
    a probability of at least `floor` are used; of a description, only the `nearest` anchors, and
    the rest is distributed evenly.
    """

    name: ClassVar[str] = "relative"
    needs: ClassVar[Capability] = Capability.LOGITS
    paper: ClassVar[str] = "arXiv:2404.12715"

    k: int = Field(default=10, ge=1, le=1000)
    floor: float = Field(default=0.01, ge=0, lt=1)
    nearest: int = Field(default=64, ge=1)
    temperature: float = Field(default=0.01, gt=0)
    steps: int = Field(default=5, ge=0, le=1000)
    rate: float = Field(default=0.15, gt=0)
    embeddings: Literal["input", "output"] = "input"

    def prepare(self, members: Sequence[Member], device: torch.device) -> RelativeAlignment:
        """Find the anchors, and make room for the rows of each member's tokens."""
        rows = _rows(members, self.nearest, self.temperature, self.embeddings)
        return RelativeAlignment(self, members, device, rows)


class RelativeAlignment:
    """An alignment whose columns are anchors; the result is in the first member's space."""

    leads = True
    apart = True

    def __init__(
        self,
        options: Relative,
        members: Sequence[Member],
        device: torch.device,
        rows: Sequence[AnchorRows],
    ) -> None:
        self.space, self.maps = onto([member.space for member in members])
        self._rows, self._floor = rows, options.floor
        self._search = InverseSearch(options.steps, options.rate)
        counts = [torch.ones(len(member.space), dtype=torch.bool) for member in members]
        counts[0][unwritable(self.space)] = False
        self._counts = [each.to(device) for each in counts]
        self._top = [Top(each, options.k) for each in self._counts]

    def align(self, distributions: Mapping[int, Distributions]) -> Aligned:
        """Bring members over the anchors; the first one, if it is alone, stays as it is."""
        if list(distributions) == [0]:
            return Aligned([distributions[0]], len(self.space), to_entries=self._writable)
        tops = {n: self._likeliest(n, own) for n, own in distributions.items()}
        filled = {n: top.where(top >= 0, top[:, :1]) for n, top in tops.items()}
        rows = {n: self._rows[n].of(top) for n, top in filled.items()}
        logs = {n: _at(own, tops[n]) for n, own in distributions.items()}
        members = [
            Distributions(rows[n].mix(logs[n].softmax(-1)), linear=True) for n in distributions
        ]

        def finish(fused: Distributions) -> Distributions:
            scores = self._search(logs[0], rows[0], fused.probabilities())
            return Distributions(scores, index=tops[0])

        return Aligned(members, self._rows[0].width, to_entries=finish)

    def _likeliest(self, member: int, own: Distributions) -> Tensor:
        """A member's likeliest tokens [row, token]; -1 for those that are too rare."""
        top = self._top[member](own.scores)
        rare = _at(own, top).softmax(-1) < self._floor
        rare[:, 0] = False
        return top.masked_fill(rare | ~self._counts[member][top], -1)

    def _writable(self, own: Distributions) -> Distributions:
        """Rule out what not all members can write."""
        missing = 0.0 if own.linear else -torch.inf
        return Distributions(own.scores.masked_fill(~self._counts[0], missing), own.linear)


def _at(own: Distributions, index: Tensor) -> Tensor:
    """Logarithms [row, column] of entries, up to a constant; -1 is none."""
    scores = own.scores.gather(1, index.clamp(min=0)).float()
    logs = scores.log() if own.linear else scores
    return logs.masked_fill(index < 0, -torch.inf)


def _rows(
    members: Sequence[Member], near: int, temperature: float, which: Literal["input", "output"]
) -> list[AnchorRows]:
    """Each member's rows over the anchors, which stand in one order for all."""
    vectors = [_vectors(member, which) for member in members]
    anchors = _anchors(members)
    if not len(anchors[0]):
        names = ", ".join(member.name for member in members)
        raise ModelError(
            "E305",
            f"{names} have no token in common, so their tokens cannot be compared",
            "write `align = union()`",
        )
    return [AnchorRows(v, a, near, temperature) for v, a in zip(vectors, anchors, strict=True)]


def _vectors(member: Member, which: Literal["input", "output"]) -> Tensor:
    """A member's embeddings [token, dimension]."""
    if member.model is None:
        raise ModelError(
            "E302",
            f"{member.name} is a fuse, and a fuse has no embeddings to compare tokens by",
            "put its members directly into this fuse",
        )
    embeddings = member.model.embeddings(which)
    if embeddings is None:
        raise ModelError("E302", f"{member.name} has no {which} embeddings")
    return embeddings[: len(member.space)]


def _anchors(members: Sequence[Member]) -> list[Tensor]:
    """Each member's tokens of what all members have, ends last, in one order."""
    tables = [member.space.ids for member in members]
    common = [piece for piece in tables[0] if all(piece in table for table in tables[1:])]
    ends = [sorted(member.space.ends)[:1] for member in members]
    ended = ends if common and all(ends) else [[] for _ in members]
    return [
        torch.tensor([*(table[piece] for piece in common), *end], dtype=torch.int64)
        for table, end in zip(tables, ended, strict=True)
    ]

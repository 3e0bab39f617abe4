"""Distributions over likeness to tokens that all members have: DeePEn, arXiv:2404.12715.

A token is described by how alike its embedding is to those of the anchors, the tokens that all
members have: `R = softmax(cos / |cos| / temperature)`, a row a token. A member's distribution
becomes `r = p R`, a distribution over anchors, which can be averaged across vocabularies. What the
first member should say for its own `p R` to be that average is found by a few steps of gradient
descent from what it does say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

from composer.engine.distribution import Aligned, Distributions
from composer.methods.align.pivot import onto, unwritable
from composer.methods.align.rows import Rows
from composer.methods.align.search import Search
from composer.methods.align.top import Top
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.engine.parts import Member

__all__ = ["Relative", "relative"]


def relative(  # noqa: PLR0913 - the paper's options
    sides: Sequence[Member],
    device: torch.device,
    *,
    k: int = 10,
    floor: float = 0.01,
    nearest: int = 64,
    temperature: float = 0.01,
    steps: int = 5,
    rate: float = 0.15,
    embeddings: Literal["input", "output"] = "input",
) -> Relative:
    """Align members by likeness to the tokens that all have; the first one writes.

    `temperature`, `steps` and `rate` (AdamW's, along a cosine) are the paper's and its code's. Of
    a distribution the `k` likeliest tokens are looked at, less those below `floor`, and the search
    is among the first member's: in all its steps no logit moves by more than their rates. Of a row
    of R the `nearest` anchors are kept, and the rest of it is spread evenly over the others. With
    all tokens and all anchors this is the paper's method.
    """
    return Relative(
        sides,
        device,
        likeliest=(k, floor),
        rows=_rows(sides, nearest, temperature, embeddings),
        search=Search(steps, rate),
    )


class Relative:
    """An alignment whose columns are anchors; what is found lies in the first member's space."""

    leads = True
    apart = True

    def __init__(
        self,
        sides: Sequence[Member],
        device: torch.device,
        *,
        likeliest: tuple[int, float],
        rows: Sequence[Rows],
        search: Search,
    ) -> None:
        self.space, self.maps = onto([side.space for side in sides])
        self._rows, self._search = rows, search
        count, self._floor = likeliest
        counts = [torch.ones(len(side.space), dtype=torch.bool) for side in sides]
        counts[0][unwritable(self.space)] = False
        self._counts = [some.to(device) for some in counts]
        self._top = [Top(some, count) for some in self._counts]

    def align(self, heard: Mapping[int, Distributions]) -> Aligned:
        """Bring members over the anchors; the first one, if it is alone, stays as it is."""
        if list(heard) == [0]:
            return Aligned([heard[0]], len(self.space), to_entries=self._writable)
        tops = {n: self._likeliest(n, said) for n, said in heard.items()}
        filled = {n: top.where(top >= 0, top[:, :1]) for n, top in tops.items()}
        rows = {n: self._rows[n].of(top) for n, top in filled.items()}
        logs = {n: _at(said, tops[n]) for n, said in heard.items()}
        members = [Distributions(rows[n].mix(logs[n].softmax(-1)), linear=True) for n in heard]

        def finish(said: Distributions) -> Distributions:
            return Distributions(
                self._search(logs[0], rows[0], said.probabilities()), index=tops[0]
            )

        return Aligned(members, self._rows[0].width, to_entries=finish)

    def _likeliest(self, member: int, said: Distributions) -> Tensor:
        """A member's likeliest tokens [row, token]; -1 for those that are too rare."""
        top = self._top[member](said.scores)
        rare = _at(said, top).softmax(-1) < self._floor
        rare[:, 0] = False
        return top.masked_fill(rare | ~self._counts[member][top], -1)

    def _writable(self, said: Distributions) -> Distributions:
        """Rule out what not all members can write."""
        missing = 0.0 if said.linear else -torch.inf
        return Distributions(said.scores.masked_fill(~self._counts[0], missing), said.linear)


def _at(said: Distributions, index: Tensor) -> Tensor:
    """Logarithms [row, column] of entries, up to a constant; -1 is none."""
    found = said.scores.gather(1, index.clamp(min=0)).float()
    logs = found.log() if said.linear else found
    return logs.masked_fill(index < 0, -torch.inf)


def _rows(
    sides: Sequence[Member], near: int, temperature: float, which: Literal["input", "output"]
) -> list[Rows]:
    """Each member's rows over the anchors, which stand in one order for all."""
    vectors = [_vectors(side, which) for side in sides]
    anchors = _anchors(sides)
    if not len(anchors[0]):
        names = ", ".join(side.name for side in sides)
        raise ModelError(
            "E305",
            f"{names} have no token in common, so their tokens cannot be compared",
            "write `align = union()`",
        )
    return [Rows(v, a, near, temperature) for v, a in zip(vectors, anchors, strict=True)]


def _vectors(side: Member, which: Literal["input", "output"]) -> Tensor:
    """A member's embeddings [token, dimension]."""
    if side.model is None:
        raise ModelError(
            "E302",
            f"{side.name} is a fuse, and a fuse has no embeddings to compare tokens by",
            "put its members directly into this fuse",
        )
    module = side.model.module
    found = module.get_input_embeddings() if which == "input" else module.get_output_embeddings()
    if found is None:
        raise ModelError("E302", f"{side.name} has no {which} embeddings")
    vectors: Tensor = found.weight[: len(side.space)]
    return vectors


def _anchors(sides: Sequence[Member]) -> list[Tensor]:
    """Each member's tokens of what all members have, ends last, in one order."""
    tables = [side.space.ids for side in sides]
    common = [piece for piece in tables[0] if all(piece in table for table in tables[1:])]
    ends = [sorted(side.space.ends)[:1] for side in sides]
    ended = ends if common and all(ends) else [[] for _ in sides]
    return [
        torch.tensor([*(table[piece] for piece in common), *end], dtype=torch.int64)
        for table, end in zip(tables, ended, strict=True)
    ]

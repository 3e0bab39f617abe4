"""Distributions as tensors: what a member said, what its weight is, and the columns they share."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

__all__ = ["Aligned", "Distributions", "EntryTable", "MemberWeight", "gather_rows"]


@dataclass(eq=False)
class Distributions:
    """A distribution a row, not normalized until someone needs it.

    `scores` [row, column] are logarithms up to a constant, or, if `linear`, probabilities up to
    a factor. A column is the entry of that number, unless `index` [row, column] names its entry:
    then all other entries are ruled out, and columns of entry -1 are unused.
    """

    scores: Tensor
    linear: bool = False
    index: Tensor | None = None

    @cached_property
    def log_normalizer(self) -> Tensor:
        """What to take from logarithms [row] to make them log-probabilities."""
        return self.scores.sum(-1).log() if self.linear else self.scores.logsumexp(-1)

    def probabilities(self) -> Tensor:
        """Probabilities [row, column], in memory of their own."""
        if self.linear:
            return self.scores / self.scores.sum(-1, keepdim=True)
        return self.scores.softmax(-1)

    def log_scores(self) -> Tensor:
        """Logarithms [row, column], up to a constant a row."""
        return self.scores.log() if self.linear else self.scores

    def logprobs(self, rows: Sequence[int]) -> Tensor:
        """Log-probabilities [some rows, column]."""
        return (
            Distributions(self.scores[rows], self.linear).log_scores()
            - self.log_normalizer[rows, None]
        )

    def entries_at(self, rows: Tensor, columns: Tensor) -> Tensor:
        """The entries [n] that columns of rows stand for."""
        return columns if self.index is None else self.index[rows, columns]

    def logprobs_of(self, rows: Tensor, entries: Tensor) -> Tensor:
        """Log-probabilities [n] of entries in rows."""
        if self.index is None:
            found = self.scores[rows, entries]
        else:
            there = self.index[rows] == entries[:, None]
            missing = 0.0 if self.linear else -torch.inf
            found = self.scores[rows].masked_fill(~there, missing).amax(-1)
        return (found.log() if self.linear else found) - self.log_normalizer[rows]

    def logprob_of_any(self, rows: Tensor, entries: Sequence[int]) -> Tensor:
        """Log-probabilities [row] of any of some entries; without any, minus infinity."""
        if not entries:
            return self.log_normalizer.new_full((len(rows),), -torch.inf)
        columns = torch.tensor(entries, device=rows.device)
        each = [self.logprobs_of(rows, column.expand(len(rows))) for column in columns]
        return torch.stack(each, -1).logsumexp(-1)

    def to_dense(self, width: int) -> Distributions:
        """The same with a column for each of `width` entries."""
        if self.index is None:
            return self
        missing = 0.0 if self.linear else -torch.inf
        wide = self.scores.new_full((len(self.scores), width + 1), missing)
        wide.scatter_(1, self.index.where(self.index >= 0, width), self.scores)
        return Distributions(wide[:, :width], self.linear)

    def select(self, rows: Sequence[int]) -> Distributions:
        """The same for some of the rows."""
        index = None if self.index is None else self.index[rows]
        return Distributions(self.scores[rows], self.linear, index)


def gather_rows(parts: Sequence[tuple[Sequence[int], Distributions]], width: int) -> Distributions:
    """Distributions of some rows each, over `width` entries, as one of all rows."""
    if len(parts) == 1:
        return parts[0][1]
    scores = torch.cat([said.to_dense(width).log_scores()[:, :width] for _, said in parts])
    order = torch.tensor([row for rows, _ in parts for row in rows]).argsort()
    return Distributions(scores[order.to(scores.device)])


class MemberWeight:
    """One member's weight: a number for all rows, one a row, or one for each row and column.

    `place` says which of the fuse's members it is, of which not all need be heard.
    """

    def __init__(self, weights: Sequence[float], device: torch.device, place: int = 0) -> None:
        alike = len(set(weights)) == 1
        self.member = place
        self.minimum = min(weights)
        self.zero_rows = _without(weights)
        self.masked_rows: Tensor | None = None
        column = torch.tensor(weights, dtype=torch.float32, device=device)[:, None]
        self.value: float | Tensor = weights[0] if alike else column

    def scaled(self, factor: Tensor) -> MemberWeight:
        """The share multiplied by a factor [row, 1] or [row, column], 0 or more."""
        new = copy(self)
        new.value = factor * self.value
        return new

    def masked(self, rows: Tensor) -> MemberWeight:
        """The share with no say in some more rows [row, 1], which are true."""
        new = copy(self)
        new.masked_rows = rows if self.masked_rows is None else self.masked_rows | rows
        return new

    @property
    def per_column(self) -> bool:
        """Whether columns weigh unlike."""
        return isinstance(self.value, torch.Tensor) and self.value.shape[1] > 1

    def nonzero_rows(self, like: Tensor) -> Tensor:
        """Whether the member has a say [row, 1], for as many rows as another tensor has."""
        weighs = torch.as_tensor(self.value, device=like.device) != 0
        there = weighs.any(-1, keepdim=True) if weighs.ndim else weighs
        there = there.expand(len(like), 1).clone()
        return self.fill_masked_(there, 0.0)

    def multiply_(self, scores: Tensor) -> Tensor:
        """Multiply scores [row, column] in place; rows without a say become 0."""
        return self.fill_masked_(scores.mul_(self.value), 0.0)

    def fill_masked_(self, scores: Tensor, value: float) -> Tensor:
        """Put a value into the rows without a say, in place, whatever stands there."""
        if self.zero_rows:
            scores[self.zero_rows] = value
        return scores if self.masked_rows is None else scores.masked_fill_(self.masked_rows, value)


def _without(weights: Sequence[float]) -> list[int] | slice:
    """The rows of weight 0; where all are, also those that share one weight."""
    return [n for n, weight in enumerate(weights) if not weight] if any(weights) else slice(None)


class EntryTable(Protocol):
    """How a member's entries lie in a wider space."""

    def add(self, total: Tensor, probabilities: Tensor) -> None:
        """Add probabilities [row, own entry] to those of what they mean [row, entry + 1]."""

    def log_scores(self, logs: Tensor) -> Tensor:
        """Logarithms [row, own entry] as [row, entry]; minus infinity where there is none."""


def _same(said: Distributions) -> Distributions:
    return said


@dataclass(eq=False)
class Aligned:
    """Members' distributions brought over the same `width` columns.

    Each member's own entries lie in the columns by its table; without tables they are the columns
    (of which a member may have more than `width`: the rest is padding). `finish` makes of the
    combined distribution over the columns the one over the entries of the fuse.
    """

    members: Sequence[Distributions]
    width: int
    tables: Sequence[EntryTable] | None = None
    to_entries: Callable[[Distributions], Distributions] = _same

    def probabilities(self, member: int) -> Tensor:
        """One member's probabilities [row, column], in memory of their own."""
        own = self.members[member].probabilities()
        if self.tables is None:
            return own[:, : self.width]
        total = own.new_zeros(len(own), self.width + 1)
        self.tables[member].add(total, own)
        return total[:, : self.width]

    def log_scores(self, member: int) -> Tensor:
        """One member's logarithms [row, column], in memory of their own, up to a constant."""
        own = self.members[member].log_scores()
        return self.tables[member].log_scores(own) if self.tables else own[:, : self.width].clone()

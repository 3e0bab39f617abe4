"""Distributions as tensors, one a row; members' weights; and members' distributions aligned."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    Process = Callable[["Distributions"], Tensor]
    """Makes the probabilities [n, column] that some rows are drawn by."""

__all__ = ["Aligned", "Distributions", "EntryTable", "MemberWeight", "gather_rows"]


@dataclass(eq=False)
class Distributions:
    """One next-token distribution a row, normalized only when that is needed.

    `scores` [row, column] are logarithms up to a constant a row, or, if `linear`, probabilities up
    to a factor a row. Column n is entry n, unless `index` [row, column] gives the entry of each
    column: then all other entries have probability 0, and columns of entry -1 are padding.
    `normalizer` [row] is given where the entries do not have all of the probability.

    `remake` is given where temperatures and filters act on members before they are combined. It
    takes what makes the probabilities [n, column] of some rows of a member, and those rows, and
    returns the combined probabilities [n, column].
    """

    scores: Tensor
    linear: bool = False
    index: Tensor | None = None
    normalizer: Tensor | None = None
    remake: Callable[[Process, Sequence[int]], Tensor] | None = None

    @cached_property
    def log_normalizer(self) -> Tensor:
        """What to subtract from the logarithms of each row [row] to get log-probabilities."""
        if self.normalizer is not None:
            return self.normalizer
        return self.scores.sum(-1).log() if self.linear else self.scores.logsumexp(-1)

    def probabilities(self) -> Tensor:
        """Probabilities [row, column], in new memory."""
        if self.normalizer is not None:
            return (self.log_scores() - self.normalizer[:, None]).exp()
        if self.linear:
            return self.scores / self.scores.sum(-1, keepdim=True)
        return self.scores.softmax(-1)

    def log_scores(self) -> Tensor:
        """Log-probabilities [row, column] up to a constant a row."""
        return self.scores.log() if self.linear else self.scores

    def logprobs(self, rows: Sequence[int]) -> Tensor:
        """Log-probabilities [n, column] of some rows."""
        return (
            Distributions(self.scores[rows], self.linear).log_scores()
            - self.log_normalizer[rows, None]
        )

    def entries_at(self, rows: Tensor, columns: Tensor) -> Tensor:
        """The entries [n] of some places, each given by its row and its column."""
        return columns if self.index is None else self.index[rows, columns]

    def scores_of(self, rows: Tensor, entries: Tensor) -> Tensor:
        """The scores [n] of `entries` [n], each in one of `rows` [n]."""
        if self.index is None:
            return self.scores[rows, entries]
        matches = self.index[rows] == entries[:, None]
        missing = 0.0 if self.linear else -torch.inf
        return self.scores[rows].masked_fill(~matches, missing).amax(-1)

    def logprobs_of(self, rows: Tensor, entries: Tensor) -> Tensor:
        """Log-probabilities [n] of `entries` [n], each in one of `rows` [n]."""
        scores = self.scores_of(rows, entries)
        return (scores.log() if self.linear else scores) - self.log_normalizer[rows]

    def logprob_of_any(self, rows: Tensor, entries: Sequence[int]) -> Tensor:
        """Log-probabilities [row] of any of some entries; minus infinity without entries."""
        if not entries:
            return self.log_normalizer.new_full((len(rows),), -torch.inf)
        columns = torch.tensor(entries, device=rows.device)
        logprobs = [self.logprobs_of(rows, column.expand(len(rows))) for column in columns]
        return torch.stack(logprobs, -1).logsumexp(-1)

    def to_dense(self, width: int) -> Distributions:
        """The same distributions with one column for each of `width` entries."""
        if self.index is None:
            return self
        missing = 0.0 if self.linear else -torch.inf
        wide = self.scores.new_full((len(self.scores), width + 1), missing)
        wide.scatter_(1, self.index.where(self.index >= 0, width), self.scores)
        return Distributions(wide[:, :width], self.linear, normalizer=self.normalizer)

    def select(self, rows: Sequence[int]) -> Distributions:
        """The distributions of some of the rows."""
        index = None if self.index is None else self.index[rows]
        normalizer = None if self.normalizer is None else self.normalizer[rows]
        return Distributions(self.scores[rows], self.linear, index, normalizer)


def gather_rows(parts: Sequence[tuple[Sequence[int], Distributions]], width: int) -> Distributions:
    """Join distributions over `width` entries; each part says which rows of the whole it has."""
    if len(parts) == 1:
        return parts[0][1]
    scores = torch.cat([part.to_dense(width).log_scores()[:, :width] for _, part in parts])
    order = torch.tensor([row for rows, _ in parts for row in rows]).argsort()
    return Distributions(scores[order.to(scores.device)])


class MemberWeight:
    """One member's weight: `value` is a number, a tensor [row, 1] or a tensor [row, column].

    `member` is its number among the fuse's members. Rows of weight 0 (`zero_rows`), and rows that
    an alignment or a weighting masks (`masked_rows` [row, 1]), do not count, even if the member's
    scores there are infinite or NaN. `minimum` is the smallest of the weights.
    """

    def __init__(self, weights: Sequence[float], device: torch.device, place: int = 0) -> None:
        self.member = place
        self.minimum = min(weights)
        self.zero_rows = _zero_rows(weights)
        self.masked_rows: Tensor | None = None
        self.value: float | Tensor = weights[0]
        if len(set(weights)) > 1:  # a number needs no copy to the device, which would be waited for
            self.value = torch.tensor(weights, dtype=torch.float32, device=device)[:, None]

    def scaled(self, factor: Tensor) -> MemberWeight:
        """The weight multiplied by a factor [row, 1] or [row, column] that is 0 or more."""
        new = copy(self)
        new.value = factor * self.value
        return new

    def masked(self, rows: Tensor) -> MemberWeight:
        """The weight without the rows where `rows` [row, 1] is true."""
        new = copy(self)
        new.masked_rows = rows if self.masked_rows is None else self.masked_rows | rows
        return new

    @property
    def per_column(self) -> bool:
        """Whether columns have different weights."""
        return isinstance(self.value, torch.Tensor) and self.value.shape[1] > 1

    def nonzero_rows(self, like: Tensor) -> Tensor:
        """Whether the member counts in each row [row, 1], for as many rows as `like` has."""
        rows = like.new_ones(len(like), 1) * self.value != 0  # numbers need no copy to the device
        return self.fill_masked_(rows.any(-1, keepdim=True), 0.0)

    def multiply_(self, scores: Tensor) -> Tensor:
        """Multiply scores [row, column] by the weight, in place; 0 in rows that do not count."""
        return self.fill_masked_(scores.mul_(self.value), 0.0)

    def fill_masked_(self, scores: Tensor, value: float) -> Tensor:
        """Fill the rows that do not count with a value, in place."""
        if self.zero_rows:
            scores[self.zero_rows] = value
        return scores if self.masked_rows is None else scores.masked_fill_(self.masked_rows, value)


def _zero_rows(weights: Sequence[float]) -> list[int] | slice:
    """The rows of weight 0; a slice of all rows if all have weight 0."""
    return [n for n, weight in enumerate(weights) if not weight] if any(weights) else slice(None)


class EntryTable(Protocol):
    """Where a member's own entries lie among the columns that all members share."""

    def add(self, total: Tensor, probabilities: Tensor) -> None:
        """Add probabilities [row, own entry] to `total` [row, column + 1], in place.

        The last column of `total` takes those of entries that have no column.
        """

    def log_scores(self, logs: Tensor) -> Tensor:
        """Logarithms [row, own entry] as [row, column]; minus infinity for other columns."""


def _same(combined: Distributions) -> Distributions:
    return combined


@dataclass(eq=False)
class Aligned:
    """Members' distributions over the same `width` columns.

    `tables` say where each member's own entries lie among the columns. Without tables, a member's
    entries are the columns; those from `width` on are padding. `to_entries` turns the combined
    distribution over the columns into one over the entries of the fuse. `hidden` are the first
    member's last hidden states [row, size], where the fuse's weights follow from them.
    """

    members: Sequence[Distributions]
    width: int
    tables: Sequence[EntryTable] | None = None
    to_entries: Callable[[Distributions], Distributions] = _same
    hidden: Tensor | None = None

    def probabilities(self, member: int) -> Tensor:
        """One member's probabilities [row, column], in new memory."""
        probabilities = self.members[member].probabilities()
        if self.tables is None:
            return probabilities[:, : self.width]
        total = probabilities.new_zeros(len(probabilities), self.width + 1)
        self.tables[member].add(total, probabilities)
        return total[:, : self.width]

    def log_scores(self, member: int) -> Tensor:
        """One member's log-probabilities [row, column] up to a constant a row, in new memory."""
        logs = self.members[member].log_scores()
        return (
            self.tables[member].log_scores(logs) if self.tables else logs[:, : self.width].clone()
        )

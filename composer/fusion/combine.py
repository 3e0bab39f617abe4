"""How members' distributions become one: each a formula and where it comes from.

All take what the members said, over the entries of one space, and their weights; a member whose
weight is 0 in a row has no say there, whatever its numbers are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["COMBINE", "Combine", "Said", "Share", "Table", "logs", "mean"]


@dataclass(eq=False)
class Said:
    """A distribution a row, not normalized until someone needs it.

    `scores` [row, entry] are logarithms up to a constant, or, if `linear`, probabilities up to
    a factor.
    """

    scores: Tensor
    linear: bool = False

    @cached_property
    def constant(self) -> Tensor:
        """What to take from logarithms [row] to make them log-probabilities."""
        return self.scores.sum(-1).log() if self.linear else self.scores.logsumexp(-1)

    def probabilities(self) -> Tensor:
        """Probabilities [row, entry], in memory of their own."""
        if self.linear:
            return self.scores / self.scores.sum(-1, keepdim=True)
        return self.scores.softmax(-1)

    def logs(self) -> Tensor:
        """Logarithms [row, entry], up to a constant a row."""
        return self.scores.log() if self.linear else self.scores

    def logprobs(self, rows: Sequence[int]) -> Tensor:
        """Log-probabilities [some rows, entry]."""
        return Said(self.scores[rows], self.linear).logs() - self.constant[rows, None]

    def at(self, rows: Tensor, entries: Tensor) -> Tensor:
        """Log-probabilities [n] of entries in rows."""
        found = self.scores[rows, entries]
        return (found.log() if self.linear else found) - self.constant[rows]


class Share:
    """One member's weight: a number for all rows, or one a row."""

    def __init__(self, weights: Sequence[float], device: torch.device) -> None:
        alike = len(set(weights)) == 1
        self.least = min(weights)
        self.silent = [] if alike else [row for row, weight in enumerate(weights) if not weight]
        column = torch.tensor(weights, dtype=torch.float32, device=device)[:, None]
        self.value: float | Tensor = weights[0] if alike else column

    def of(self, scores: Tensor) -> Tensor:
        """Multiply scores [row, entry] in place; rows without a say become 0."""
        scores.mul_(self.value)
        if self.silent:
            scores[self.silent] = 0.0
        return scores


class Table(Protocol):
    """How a member's entries lie in a wider space."""

    def add(self, total: Tensor, probabilities: Tensor) -> None:
        """Add probabilities [row, own entry] to those of what they mean [row, entry + 1]."""

    def logs(self, logs: Tensor) -> Tensor:
        """Logarithms [row, own entry] as [row, entry]; minus infinity where there is none."""


class Combine(Protocol):
    """Members' distributions, their weights, and where their entries lie in a space of a width.

    Without tables, entries mean the same in all members, and the space is the narrowest.
    """

    def __call__(
        self,
        members: Sequence[Said],
        shares: Sequence[Share],
        tables: Sequence[Table] | None,
        width: int,
    ) -> Said:
        """Combine them."""


def mean(
    members: Sequence[Said], shares: Sequence[Share], tables: Sequence[Table] | None, width: int
) -> Said:
    """`sum w_i p_i`: the linear pool (GaC, arXiv:2406.12585)."""
    if tables is None:
        parts = (s.of(m.probabilities())[:, :width] for m, s in zip(members, shares, strict=True))
        total = next(parts)
        for part in parts:
            total += part
        return Said(total, linear=True)
    first = members[0].scores
    total = first.new_zeros(len(first), width + 1)  # the last is for what no entry stands for
    for member, share, table in zip(members, shares, tables, strict=True):
        table.add(total, share.of(member.probabilities()))
    return Said(total[:, :width], linear=True)


def logs(
    members: Sequence[Said], shares: Sequence[Share], tables: Sequence[Table] | None, width: int
) -> Said:
    """`softmax sum w_i log p_i`: the logarithmic pool, and the algebra of formulas.

    DExperts, arXiv:2105.03023; contrastive decoding, arXiv:2210.15097; LMA, arXiv:2311.14479.
    Logarithms up to a constant will do, since a constant is lost in the softmax. An entry that
    some member cannot write, or rules out, stays ruled out, also under a negative weight.
    """
    total: Tensor | None = None
    for n, (member, share) in enumerate(zip(members, shares, strict=True)):
        wide = tables[n].logs(member.logs()) if tables else member.logs()[:, :width].clone()
        out = wide.isneginf() if share.least < 0 else None
        if out is not None and share.silent:
            out[list(share.silent)] = False
        part = share.of(wide)
        if out is not None:
            part = part.masked_fill(out, -torch.inf)
        total = part if total is None else total.add_(part)
    assert total is not None
    return Said(total)


COMBINE: dict[str, Combine] = {"mean": mean, "logs": logs}

"""How a token fuse combines aligned distributions: one class a formula, and its paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from composer.engine.distribution import Distributions
from composer.engine.parts import Combine
from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from composer.engine.distribution import Aligned, MemberWeight

__all__ = ["Combine", "Logs", "Maximum", "Mean", "Minimum"]


class Mean(Combine):
    """Weighted mean of the probabilities: p = sum w_m p_m."""

    name: ClassVar[str] = "mean"
    paper: ClassVar[str] = "arXiv:2406.12585"
    pools: ClassVar[bool] = True
    convex: ClassVar[bool] = True
    linear: ClassVar[bool] = True
    monotone: ClassVar[bool] = True
    static: ClassVar[bool] = True

    def combine(self, aligned: Aligned, weights: Sequence[MemberWeight]) -> Distributions:
        """Return `sum w_i p_i`: the linear pool."""
        if aligned.tables is None or any(weight.per_column for weight in weights):
            parts = (w.multiply_(aligned.probabilities(n)) for n, w in enumerate(weights))
            total = next(parts)
            for part in parts:
                total += part
            return Distributions(total, linear=True, normalizer=_whole(aligned, weights))
        first = aligned.members[0].scores
        total = first.new_zeros(len(first), aligned.width + 1)  # the last: entries of no column
        for member, weight, table in zip(aligned.members, weights, aligned.tables, strict=True):
            table.add(total, weight.multiply_(member.probabilities()))
        normalizer = _whole(aligned, weights)
        return Distributions(total[:, : aligned.width], linear=True, normalizer=normalizer)


def _whole(aligned: Aligned, weights: Sequence[MemberWeight]) -> Tensor | None:
    """The normalizer [row] of a mean where a member's entries do not have all of the probability.

    It is the sum of the weights. None where the entries have all.
    """
    partial = next((m for m in aligned.members if m.normalizer is not None), None)
    if partial is None or any(weight.per_column for weight in weights):
        return None
    ones = torch.ones_like(partial.scores[:, :1])
    sums = [weight.multiply_(ones.clone()) for weight in weights]
    return torch.cat(sums, 1).sum(-1).log()


class Logs(Combine):
    """Weighted mean of the log-probabilities, renormalised: log p = sum w_m log p_m - log Z.

    This is the logarithmic pool, and the algebra of formulas: DExperts (arXiv:2105.03023),
    contrastive decoding (arXiv:2210.15097), LMA (arXiv:2311.14479).
    """

    name: ClassVar[str] = "logs"
    paper: ClassVar[str] = "arXiv:2404.11531"
    signed: ClassVar[bool] = True
    pools: ClassVar[bool] = True
    convex: ClassVar[bool] = True
    monotone: ClassVar[bool] = True
    static: ClassVar[bool] = True

    def combine(self, aligned: Aligned, weights: Sequence[MemberWeight]) -> Distributions:
        """Return `softmax sum w_i log p_i`.

        Logarithms up to a constant will do, since the softmax removes it. An entry that some
        member cannot write, or rules out, stays ruled out, also under a negative weight.
        """
        total: Tensor | None = None
        for n, weight in enumerate(weights):
            scores = aligned.log_scores(n)
            out = scores.isneginf() if weight.minimum < 0 else None
            part = weight.multiply_(scores)
            if out is not None:
                part = part.masked_fill(weight.fill_masked_(out, value=0), -torch.inf)
            total = part if total is None else total.add_(part)
        assert total is not None
        return Distributions(total)


class Maximum(Combine):
    """The largest weighted probability, renormalised: tokens that any member finds likely."""

    name: ClassVar[str] = "maximum"
    paper: ClassVar[str] = "arXiv:2311.14479"
    monotone: ClassVar[bool] = True
    static: ClassVar[bool] = True

    def combine(self, aligned: Aligned, weights: Sequence[MemberWeight]) -> Distributions:
        """Return `max_i w_i p_i`, normalized: LMA's union."""
        return _extreme(aligned, weights, torch.maximum, 0.0)


class Minimum(Combine):
    """The smallest weighted probability, renormalised: tokens that all members find likely."""

    name: ClassVar[str] = "minimum"
    paper: ClassVar[str] = "arXiv:2311.14479"
    monotone: ClassVar[bool] = True
    static: ClassVar[bool] = True

    def combine(self, aligned: Aligned, weights: Sequence[MemberWeight]) -> Distributions:
        """Return `min_i w_i p_i`, normalized: LMA's intersection."""
        return _extreme(aligned, weights, torch.minimum, torch.inf)


def _extreme(
    aligned: Aligned,
    weights: Sequence[MemberWeight],
    choose: Callable[[Tensor, Tensor], Tensor],
    neutral: float,
) -> Distributions:
    """Return the extreme of weighted probabilities over the members with a weight in a row."""
    total: Tensor | None = None
    for n, weight in enumerate(weights):
        part = weight.multiply_(aligned.probabilities(n))
        if isinstance(weight.value, torch.Tensor) or weight.value:
            part = weight.fill_masked_(part, neutral)
            total = part if total is None else choose(total, part)
    assert total is not None
    return Distributions(total, linear=True)

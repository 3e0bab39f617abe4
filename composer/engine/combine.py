"""How members' distributions become one: each a formula and where it comes from.

All take what the members said, lined up over the same columns, and a weight for each; a member
whose weight is 0 in a row has no say there, whatever its numbers are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

import torch

from composer.engine.distribution import Distributions
from composer.specs import parts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from composer.engine.distribution import Aligned, MemberWeight

__all__ = ["Combine", "LogPool", "logs", "maximum", "mean", "minimum", "plausible"]


class LogPool(parts.Combine):
    """The logarithmic pool, for sessions that fuse in their own way."""

    where: ClassVar[str] = "composer.engine.combine:logs"
    signed: ClassVar[bool] = True


class Combine(Protocol):
    """Members' distributions, lined up, and their weights, as one over the same columns."""

    def __call__(self, lined: Aligned, shares: Sequence[MemberWeight]) -> Distributions:
        """Combine them."""


def mean(lined: Aligned, shares: Sequence[MemberWeight]) -> Distributions:
    """`sum w_i p_i`: the linear pool (GaC, arXiv:2406.12585)."""
    if lined.tables is None or any(share.per_column for share in shares):
        parts = (share.multiply_(lined.probabilities(n)) for n, share in enumerate(shares))
        total = next(parts)
        for part in parts:
            total += part
        return Distributions(total, linear=True)
    first = lined.members[0].scores
    total = first.new_zeros(len(first), lined.width + 1)  # the last: what no column stands for
    for member, share, table in zip(lined.members, shares, lined.tables, strict=True):
        table.add(total, share.multiply_(member.probabilities()))
    return Distributions(total[:, : lined.width], linear=True)


def logs(lined: Aligned, shares: Sequence[MemberWeight]) -> Distributions:
    """`softmax sum w_i log p_i`: the logarithmic pool, and the algebra of formulas.

    DExperts, arXiv:2105.03023; contrastive decoding, arXiv:2210.15097; LMA, arXiv:2311.14479.
    Logarithms up to a constant will do, since a constant is lost in the softmax. An entry that
    some member cannot write, or rules out, stays ruled out, also under a negative weight.
    """
    total: Tensor | None = None
    for n, share in enumerate(shares):
        wide = lined.log_scores(n)
        out = wide.isneginf() if share.minimum < 0 else None
        part = share.multiply_(wide)
        if out is not None:
            part = part.masked_fill(share.fill_masked_(out, value=0), -torch.inf)
        total = part if total is None else total.add_(part)
    assert total is not None
    return Distributions(total)


def maximum(lined: Aligned, shares: Sequence[MemberWeight]) -> Distributions:
    """`max_i w_i p_i`, normalized: what any member finds likely (LMA's union, arXiv:2311.14479)."""
    return _extreme(lined, shares, torch.maximum, 0.0)


def minimum(lined: Aligned, shares: Sequence[MemberWeight]) -> Distributions:
    """`min_i w_i p_i`, normalized: what all find likely (LMA's intersection, arXiv:2311.14479)."""
    return _extreme(lined, shares, torch.minimum, torch.inf)


def plausible(
    lined: Aligned, shares: Sequence[MemberWeight], *, of: Combine, alpha: float
) -> Distributions:
    """What `of` makes, without what the first member finds implausible.

    Ruled out is what has less than `alpha` times the probability of its likeliest entry
    (contrastive decoding, arXiv:2210.15097; arXiv:2309.09117 says alpha = 0.1). Where the first
    member has no say, nothing is ruled out.
    """
    said = of(lined, shares)
    if shares[0].member != 0:
        return said
    first = lined.probabilities(0)
    out = (first < alpha * first.amax(-1, keepdim=True)) & shares[0].nonzero_rows(first)
    return Distributions(
        said.scores.masked_fill(out, 0.0 if said.linear else -torch.inf), said.linear
    )


def _extreme(
    lined: Aligned,
    shares: Sequence[MemberWeight],
    choose: Callable[[Tensor, Tensor], Tensor],
    silence: float,
) -> Distributions:
    """The extreme of weighted probabilities; members without a say in a row are passed over."""
    total: Tensor | None = None
    for n, share in enumerate(shares):
        part = share.multiply_(lined.probabilities(n))
        if isinstance(share.value, torch.Tensor) or share.value:
            part = share.fill_masked_(part, silence)
            total = part if total is None else choose(total, part)
    assert total is not None
    return Distributions(total, linear=True)

"""How members' distributions become one: each a formula and where it comes from.

All take log-probabilities [row, entry], one for each member, and weights [row, member], and give
scores [row, entry] whose softmax is the group's distribution. A member of weight 0 has no say,
whatever its numbers are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["COMBINE", "logs", "mean", "normalized"]


def mean(members: Sequence[Tensor], weights: Tensor) -> Tensor:
    """`log sum w_i p_i`: the linear pool (GaC, arXiv:2406.12585)."""
    total = torch.zeros_like(members[0])
    for column, member in enumerate(members):
        weight = weights[:, column, None]
        total += torch.where(weight == 0, 0.0, weight * member.exp())
    return total.log()


def logs(members: Sequence[Tensor], weights: Tensor) -> Tensor:
    """`log softmax sum w_i log p_i`: the logarithmic pool, and the algebra of formulas.

    DExperts, arXiv:2105.03023; contrastive decoding, arXiv:2210.15097; LMA, arXiv:2311.14479.
    An entry that some member cannot write, or that it rules out, stays ruled out.
    """
    total = torch.zeros_like(members[0])
    out = torch.zeros_like(members[0], dtype=torch.bool)
    for column, member in enumerate(members):
        weight = weights[:, column, None]
        total += torch.where(weight == 0, 0.0, weight * member)
        out |= member.isneginf() & (weight != 0)
    return total.masked_fill(out, -torch.inf)


def normalized(scores: Tensor) -> Tensor:
    """Log-probabilities in proportion to `exp(scores)`, [row, entry]."""
    return scores.log_softmax(-1)


COMBINE = {"mean": mean, "logs": logs}

"""The plausibility constraint: tokens that the first member finds too unlikely are ruled out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.engine.distribution import Distributions
from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.distribution import Aligned, MemberWeight

__all__ = ["plausible"]


def plausible(
    fused: Distributions, aligned: Aligned, weights: Sequence[MemberWeight], alpha: float
) -> Distributions:
    """Rule out what has less than `alpha` times the first member's largest probability.

    Contrastive decoding, arXiv:2210.15097; arXiv:2309.09117 says alpha = 0.1. In rows where the
    first member has no weight, nothing is ruled out.
    """
    if weights[0].member != 0:
        return fused
    first = aligned.probabilities(0)
    out = (first < alpha * first.amax(-1, keepdim=True)) & weights[0].nonzero_rows(first)
    missing = 0.0 if fused.linear else -torch.inf
    return Distributions(fused.scores.masked_fill(out, missing), fused.linear)

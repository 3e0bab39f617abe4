"""Weights by consistency: tokens and members far from the mean distribution weigh less (CoRE).

CoRE, EACL 2026. With p* the mean of the members' distributions, a token's score is a falling
function of |p_i - p*|, and a member's weight the sum of its scores over its entropy. The first
member that has a vote leads: the scores of the others' tokens multiply their probabilities, its
own stay as they are, and `lead` gives it at least half of the weight.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from composer.engine.features import entropy_of
from composer.heavy import torch
from composer.methods.weigh import Weigh
from composer.values.capability import Capability

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from composer.engine.distribution import Aligned, MemberWeight

__all__ = ["SCORES", "Consistent"]

_EPS = 1e-12


class Consistent(Weigh):
    """Tokens and members that are far from the mean distribution weigh less (CoRE, EACL 2026).

    `tokens` scores tokens too; without, weights are 1 / H, as CoRE has it for a choice of labels.
    `sharpness` is the score's own parameter: 2 for rbf, 5 for power and sig, 1 for rec.
    """

    name: ClassVar[str] = "consistent"
    needs: ClassVar[Capability] = Capability.LOGITS

    score: Literal["rbf", "power", "linear", "rec", "sig"] = "rbf"
    sharpness: Annotated[float, Field(gt=0)] | None = None
    tokens: bool = True
    lead: bool = True

    def weights(self, aligned: Aligned, weights: Sequence[MemberWeight]) -> list[MemberWeight]:
        """Weigh members, and their tokens, by how near they are to the mean."""
        p = torch.stack([aligned.probabilities(n) for n in range(len(weights))])
        votes = torch.stack([weight.nonzero_rows(p[0]) for weight in weights])
        p = torch.where(votes, p, 0.0)
        first = votes & (votes.cumsum(0) == 1)
        certainty = 1 / (entropy_of(p) + _EPS)
        if not self.tokens:
            return self._multiplied(weights, certainty, first)
        lead = (p * first).sum(0)
        mean = p.sum(0) / votes.sum(0)
        scores = self._scores((torch.where(votes, p, lead) - mean).abs()) * (p + lead > _EPS)
        total = scores.sum(-1, keepdim=True)
        factors = scores / total.clamp(min=_EPS) * (scores != 0).sum(-1, keepdim=True)
        multiplied = self._multiplied(weights, total * certainty, first)
        pairs = zip(multiplied, torch.where(first, 1.0, factors), strict=True)
        return [weight.scaled(factor) for weight, factor in pairs]

    def _scores(self, distances: Tensor) -> Tensor:
        """Return the scores [member, row, column] of distances from the mean."""
        function, usual = SCORES[self.score]
        return function(distances, usual if self.sharpness is None else self.sharpness)

    def _multiplied(
        self, weights: Sequence[MemberWeight], factors: Tensor, first: Tensor
    ) -> list[MemberWeight]:
        """Multiply by factors [member, row, 1], over their sum; `lead` gives the first half."""
        products = torch.stack(
            [w.multiply_(f.clone()) for w, f in zip(weights, factors, strict=True)]
        )
        if self.lead:
            others = products.sum(0) - (products * first).sum(0)
            raised = torch.maximum(products, others)
            factors = torch.where(first, factors * raised / products.clamp(min=_EPS), factors)
            products = torch.where(first, raised, products)
        parts = factors / products.sum(0)
        return [weight.scaled(part) for weight, part in zip(weights, parts, strict=True)]


def _rbf(gap: Tensor, sharp: float) -> Tensor:
    floor = math.exp(-sharp)
    return ((-sharp * gap).exp() - floor) / (1 - floor)


def _power(gap: Tensor, sharp: float) -> Tensor:
    return (1 - gap).clamp(min=0) ** sharp


def _linear(gap: Tensor, sharp: float) -> Tensor:
    del sharp
    return 1 - gap


def _rec(gap: Tensor, sharp: float) -> Tensor:
    """`1 / (1 + sharp d)`, stretched over 0..1 within a row over all members."""
    raw = 1 / (1 + sharp * gap)
    least, most = raw.amin((0, 2), keepdim=True), raw.amax((0, 2), keepdim=True)
    return (raw - least) / (most - least + 1e-8)


def _sig(gap: Tensor, sharp: float) -> Tensor:
    return 1 - (sharp * (gap - 0.5)).sigmoid()


SCORES: dict[str, tuple[Callable[[Tensor, float], Tensor], float]] = {
    "rbf": (_rbf, 2.0),
    "power": (_power, 5.0),
    "linear": (_linear, 1.0),
    "rec": (_rec, 1.0),
    "sig": (_sig, 5.0),
}
"""Scores [member, row, column] of distances, with the paper's parameter of each."""

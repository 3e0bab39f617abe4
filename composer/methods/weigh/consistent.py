"""Robust weights: tokens and members that differ from what all say on average weigh less (CoRE).

CoRE, EACL 2026. With p* the mean of the members' distributions, a token's score is a falling
function of |p_i - p*|, and a member's weight the sum of its scores over its entropy. The first
member that has a say leads: the scores of the others' tokens multiply their probabilities, its
own stay as they are, and `lead` gives it at least half of the weight.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch

from composer.engine.features import entropy_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from composer.engine.distribution import Aligned, MemberWeight
    from composer.engine.parts import Member, Weigh

__all__ = ["SCORES", "consistent"]

Score = Literal["rbf", "power", "linear", "rec", "sig"]

_EPS = 1e-12


def consistent(
    sides: Sequence[Member],
    *,
    score: Score = "rbf",
    sharpness: float | None = None,
    tokens: bool = True,
    lead: bool = True,
) -> Weigh:
    """Weigh members by consistency.

    `tokens` scores tokens too; without, weights are 1 / H, as CoRE has it for a choice of labels.
    `sharpness` is the score's own parameter: 2 for rbf, 5 for power and sig, 1 for rec.
    """
    del sides
    function, usual = SCORES[score]
    sharp = usual if sharpness is None else sharpness

    def weigh(lined: Aligned, shares: Sequence[MemberWeight]) -> list[MemberWeight]:
        p = torch.stack([lined.probabilities(n) for n in range(len(shares))])
        says = torch.stack([share.nonzero_rows(p[0]) for share in shares])
        p = torch.where(says, p, 0.0)
        first = says & (says.cumsum(0) == 1)
        sure = 1 / (entropy_of(p) + _EPS)
        if not tokens:
            return _shared(shares, sure, first, lead=lead)
        main = (p * first).sum(0)
        star = p.sum(0) / says.sum(0)
        gap = (torch.where(says, p, main) - star).abs()
        scores = function(gap, sharp) * (p + main > _EPS)
        total = scores.sum(-1, keepdim=True)
        alike = scores / total.clamp(min=_EPS) * (scores != 0).sum(-1, keepdim=True)
        found = _shared(shares, total * sure, first, lead=lead)
        each = zip(found, torch.where(first, 1.0, alike), strict=True)
        return [share.scaled(factor) for share, factor in each]

    return weigh


def _shared(
    shares: Sequence[MemberWeight], raw: Tensor, first: Tensor, *, lead: bool
) -> list[MemberWeight]:
    """Shares times factors [member, row, 1] over their sum, at least half of it the lead's."""
    heard = torch.stack(
        [share.multiply_(each.clone()) for share, each in zip(shares, raw, strict=True)]
    )
    if lead:
        others = heard.sum(0) - (heard * first).sum(0)
        heard_lead = torch.maximum(heard, others)
        raw = torch.where(first, raw * heard_lead / heard.clamp(min=_EPS), raw)
        heard = torch.where(first, heard_lead, heard)
    return [share.scaled(each) for share, each in zip(shares, raw / heard.sum(0), strict=True)]


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

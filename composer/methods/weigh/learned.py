"""Weights by a small gate that was trained on texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from composer.engine.features import FEATURES, features
from composer.engine.fitted import loaded, named, shaped
from composer.methods.weigh.normalized import normalized

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.distribution import Aligned, MemberWeight
    from composer.engine.fitted import FittedState
    from composer.engine.parts import Member, Weigh

__all__ = ["learned"]


def learned(sides: Sequence[Member], *, taught: FittedState | None = None) -> Weigh:
    """`w_i exp(a_i f(p_i) + b_i)`, over the sum of those who have a say.

    f is what a distribution looks like: its entropy, its largest probability, and its margin. The
    state has `gate` [member, feature + 1], the last column being b.
    """
    state = loaded(taught, "learned")
    order = named(state, [side.name for side in sides], "learned")
    rows = len(state.facts["names"])
    gate = torch.from_numpy(shaped(state, "gate", rows, len(FEATURES) + 1)).float()[order]

    def weigh(lined: Aligned, shares: Sequence[MemberWeight]) -> list[MemberWeight]:
        own = [gate[share.member].to(lined.members[0].scores.device) for share in shares]
        scores = torch.stack(
            [features(m) @ g[:-1] + g[-1] for m, g in zip(lined.members, own, strict=True)], -1
        )
        says = torch.stack([share.nonzero_rows(scores)[:, 0] for share in shares], -1)
        p = scores.masked_fill(~says, -torch.inf).softmax(-1)
        return normalized([p[:, n, None] for n in range(len(shares))], shares)

    return weigh

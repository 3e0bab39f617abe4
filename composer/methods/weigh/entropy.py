"""Weights by how sure each member is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.engine.features import entropy_of
from composer.methods.weigh.normalized import normalized

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.distribution import Aligned, MemberWeight
    from composer.engine.parts import Member, Weigh

__all__ = ["entropy"]

_LEAST = 1e-6  # nats: a member that is quite certain has no infinite weight


def entropy(sides: Sequence[Member], *, power: float = 1.0) -> Weigh:
    """`w_i / H(p_i)^power`, H in nats: who is surer weighs more (CoRE's model weight)."""
    del sides

    def weigh(lined: Aligned, shares: Sequence[MemberWeight]) -> list[MemberWeight]:
        sure = [entropy_of(said.probabilities()).clamp(min=_LEAST) for said in lined.members]
        return normalized([each.pow(-power) for each in sure], shares)

    return weigh

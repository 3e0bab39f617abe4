"""Weights by how sure each member is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.engine.features import entropy_of
from composer.methods.weigh import Weigh, normalized
from composer.values.capability import Capability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.distribution import Aligned, MemberWeight

__all__ = ["Entropy"]

_LEAST = 1e-6  # nats: a member that is quite certain has no infinite weight


class Entropy(Weigh):
    """Surer members weigh more: w_m / H(p_m)^power, with H the entropy in nats."""

    name: ClassVar[str] = "entropy"
    needs: ClassVar[Capability] = Capability.LOGITS
    static: ClassVar[bool] = True

    power: float = Field(default=1.0, ge=0)

    def weights(self, aligned: Aligned, weights: Sequence[MemberWeight]) -> list[MemberWeight]:
        """Multiply weights by `1 / H^power`, over the sum of these factors."""
        entropies = [
            entropy_of(distributions.probabilities()).clamp(min=_LEAST)
            for distributions in aligned.members
        ]
        return normalized([entropy.pow(-self.power) for entropy in entropies], weights)

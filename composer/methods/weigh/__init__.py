"""How the members of a fuse are weighed: one file a way, a subclass of `Weigh` or `PromptWeigh`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.engine.parts import Weigh
from composer.engine.sessions.parts import PromptWeigh

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.distribution import MemberWeight

__all__ = ["PromptWeigh", "Weigh", "normalized"]


def normalized(factors: Sequence[Tensor], weights: Sequence[MemberWeight]) -> list[MemberWeight]:
    """Multiply weights by factors [row, 1], divided by their weighted sum in each row."""
    pairs = list(zip(factors, weights, strict=True))
    products = [weight.multiply_(factor.clone()) for factor, weight in pairs]
    total: Tensor = sum(products[1:], products[0])
    return [weight.scaled(factor / total) for factor, weight in pairs]

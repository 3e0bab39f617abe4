"""Weights that are divided by their sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.distribution import MemberWeight

__all__ = ["normalized"]


def normalized(raw: Sequence[Tensor], shares: Sequence[MemberWeight]) -> list[MemberWeight]:
    """Shares times factors [row, 1], the factors divided by their sum over who has a say."""
    heard = [share.multiply_(each.clone()) for each, share in zip(raw, shares, strict=True)]
    total: Tensor = sum(heard[1:], heard[0])
    return [share.scaled(each / total) for each, share in zip(raw, shares, strict=True)]

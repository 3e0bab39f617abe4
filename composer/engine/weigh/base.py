"""What a way to weigh is: made once for a fuse, `entropy(sides, ...)`, called at every step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from composer.engine.distribution import Aligned, MemberWeight

__all__ = ["Weigh", "normalized"]


class Weigh(Protocol):
    """New weights for the members that are heard."""

    def __call__(self, lined: Aligned, shares: Sequence[MemberWeight]) -> list[MemberWeight]:
        """Multiply weights by what the distributions themselves say."""


def normalized(raw: Sequence[Tensor], shares: Sequence[MemberWeight]) -> list[MemberWeight]:
    """Shares times factors [row, 1], the factors divided by their sum over who has a say."""
    heard = [share.multiply_(each.clone()) for each, share in zip(raw, shares, strict=True)]
    total: Tensor = sum(heard[1:], heard[0])
    return [share.scaled(each / total) for each, share in zip(raw, shares, strict=True)]

"""Reward models that give one reward together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from composer.specs.fuses import Fuse
from composer.values.capability import Capability

if TYPE_CHECKING:
    from composer.values.gather import Quorum

__all__ = ["RewardEnsemble"]


@dataclass(frozen=True, kw_only=True)
class RewardEnsemble(Fuse):
    """Reward models whose rewards become one: their mean, the least, or mean - `c` variance.

    With `standardize`, a data file, (r - mean) / deviation of each reward is taken, where both are
    over the answers of the file. The ensemble goes on as long as `min` members answer.
    """

    word: ClassVar[str] = "rewards"
    abilities: ClassVar[Capability] = Capability.REWARD

    across: str = "mean"
    c: float = 0.5
    standardize: str | None = None
    min: Quorum = "most"

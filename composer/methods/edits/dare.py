"""DARE: drop most of what fine-tuning changed at random, and rescale the rest."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.heavy import torch
from composer.methods.edits.differences import Differences
from composer.methods.edits.ties import Elected

if TYPE_CHECKING:
    from torch import Tensor

    from composer.specs.parts import TensorPlace

__all__ = ["Dare", "DareTies", "Dropped"]


class Dropped(Differences):
    """Differences of which a random part is kept, the same in every build of one `seed`."""

    density: float = Field(default=0.1, gt=0, le=1)
    rescale: Literal["inverse", "norm", "none"] = "inverse"
    seed: int = 0

    def kept(self, difference: Tensor, member: int, place: TensorPlace) -> Tensor:
        """Drop numbers at random; the draws follow from the tensor's name and the member."""
        draws = torch.Generator().manual_seed(_seed(self.seed, place.name, member))
        keep = torch.rand(difference.shape, generator=draws) < self.density
        before = difference.abs().sum(dtype=torch.float64)
        dropped = difference.mul_(keep)
        if self.rescale == "inverse":
            return dropped.div_(self.density)
        after = dropped.abs().sum(dtype=torch.float64)
        return dropped.mul_(float(before / after)) if self.rescale == "norm" and after else dropped


def _seed(seed: int, name: str, member: int) -> int:
    drawn = blake2b(f"{seed}:{member}:{name}".encode(), digest_size=8)
    return int.from_bytes(drawn.digest(), "little")


class Dare(Dropped):
    """Drop differences at random and rescale the rest: DARE.

    Each number of a difference is kept with the probability `density` (1 - p in the paper), and the
    rest is rescaled: `inverse` divides by the density, as in the paper; `norm` keeps the sum of the
    magnitudes in each tensor, as mergekit does; `none` leaves it. The draws follow from `seed`, the
    tensor's name and the member, so that a build can be repeated.
    """

    name: ClassVar[str] = "dare"
    paper: ClassVar[str] = "arXiv:2311.03099"


class DareTies(Elected, Dropped):
    """Drop differences at random and rescale them, then elect signs: DARE with TIES.

    Numbers are dropped as in `dare()`; then signs are elected and the differences that agree are
    combined as in `ties()`, without its trimming. `combine` is `mean` as in TIES; mergekit's
    `dare_ties` has `sum` unless it is told to normalize.
    """

    name: ClassVar[str] = "dare_ties"
    paper: ClassVar[str] = "arXiv:2311.03099"

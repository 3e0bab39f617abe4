"""DPPA: pruning that follows the outliers of each layer, then larger changes amplified more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, TypeVar

from pydantic import Field

from composer.heavy import torch
from composer.methods.edits.differences import Differences

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import Tensor

    from composer.specs.parts import TensorPlace

__all__ = ["Dppa"]

K = TypeVar("K")


class Dppa(Differences):
    """Prune differences layer by layer, then amplify what is left in partitions: DPPA.

    The `density` of the largest numbers is kept on average: more in layers that have more outliers,
    numbers above `outlier` times the mean magnitude of their tensor, and in a layer more in tensors
    that have more. Each step moves a density by at most `spread`. What is kept of a tensor is then
    parted by magnitude into as many equal parts as `amplify` has factors, the largest first, and
    each part is multiplied by its factor. The paper searches the factors part by part on questions
    of the domain; here they are options, for `compose tune`.
    """

    name: ClassVar[str] = "dppa"
    paper: ClassVar[str] = "arXiv:2403.02799"

    density: float = Field(default=0.2, gt=0, le=1)
    amplify: Annotated[tuple[float, ...], Field(min_length=1)] = (2.0, 1.5)
    outlier: float = Field(default=5.0, gt=0)
    spread: float = Field(default=0.08, ge=0, lt=1)

    def surveyed(self, tensors: Iterable[tuple[TensorPlace, Sequence[Tensor]]]) -> Dppa:
        """Count the outliers of all tensors, and decide how much of each is kept."""
        outliers: dict[int, dict[TensorPlace, float]] = {}
        for place, (base, *others) in tensors:
            for member, other in enumerate(others, 1):
                outliers.setdefault(member, {})[place] = self._outliers(other - base)
        densities = {
            (member, place.name): density
            for member, shares in outliers.items()
            for place, density in self._densities(shares).items()
        }
        return _Surveyed(**dict(self), densities=densities)

    def _outliers(self, difference: Tensor) -> float:
        magnitudes = difference.abs()
        return float((magnitudes > self.outlier * magnitudes.mean()).float().mean())

    def _densities(self, outliers: Mapping[TensorPlace, float]) -> Mapping[TensorPlace, float]:
        """Move the density by the layer's share of outliers, then by the tensor's in its layer."""
        layers: dict[int | None, dict[TensorPlace, float]] = {}
        for place, share in outliers.items():
            layers.setdefault(place.layer, {})[place] = share
        means = {layer: sum(each.values()) / len(each) for layer, each in layers.items()}
        by_layer = self._moves(means)
        return {
            place: min(1.0, max(0.0, self.density + by_layer[layer] + move))
            for layer, shares in layers.items()
            for place, move in self._moves(shares).items()
        }

    def _moves(self, shares: Mapping[K, float]) -> dict[K, float]:
        """Return by how much densities move: by `spread` at most, and by zero on average."""
        mean = sum(shares.values()) / len(shares)
        most = max(abs(share - mean) for share in shares.values()) or 1.0
        return {key: self.spread * (share - mean) / most for key, share in shares.items()}

    def kept(self, difference: Tensor, member: int, place: TensorPlace) -> Tensor:
        """Keep the largest numbers, and multiply those of each partition by its factor."""
        size = difference.numel()
        count = max(1, int(self.density_of(member, place) * size))
        order = difference.abs().flatten().argsort(descending=True, stable=True)[:count]
        ranks = torch.arange(count) * len(self.amplify) // count
        factors = torch.tensor(self.amplify, dtype=difference.dtype)[ranks]
        made = torch.zeros_like(difference).flatten()
        made[order] = difference.flatten()[order] * factors
        return made.view_as(difference)

    def density_of(self, member: int, place: TensorPlace) -> float:
        """Return how much of a difference is kept."""
        del member, place
        return self.density


class _Surveyed(Dppa):
    """The same edit, with the density of each tensor of each member."""

    densities: dict[tuple[int, str], float]

    def density_of(self, member: int, place: TensorPlace) -> float:
        return self.densities[member, place.name]

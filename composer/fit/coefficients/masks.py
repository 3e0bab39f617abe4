"""Concrete masks: which numbers of the members' differences are kept, learnt by gradient."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from composer.heavy import np, torch
from composer.methods.edits.adaptive import rescaled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Size, Tensor

__all__ = ["ConcreteMask"]

_LOGIT, _TEMPERATURE = 3.0, 0.5
"""Nearly all numbers are kept at first; the temperature of the concrete distribution."""

_FASTER = 10.0
"""How many times the learning rate of coefficients that of the logits is."""


class ConcreteMask:
    """Logits of keeping each number, and masks between 0 and 1 drawn from them (arXiv:1611.00712).

    A mask is divided by the share of numbers that is kept in expectation, which counts as constant
    in the gradient.
    """

    def __init__(self, shapes: Mapping[str, Size], rate: float) -> None:
        self.moments = {
            name: torch.stack([torch.full(shape, _LOGIT), torch.zeros(shape), torch.zeros(shape)])
            for name, shape in shapes.items()
        }
        self.rate = _FASTER * rate
        self._key, self._expected = "", 1.0

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return sum(each[0].numel() for each in self.moments.values())

    @property
    def share(self) -> float:
        """The share of numbers that are kept in the end."""
        return sum(int((each[0] > 0).sum()) for each in self.moments.values()) / self.count

    def draw(self, key: str) -> None:
        """Draw other masks; the same key draws the same."""
        kept = sum(float(each[0].sigmoid().sum()) for each in self.moments.values())
        self._key, self._expected = key, kept / self.count

    def _drawn(self, name: str) -> Tensor:
        """Return the mask of a tensor, made anew each time it is needed, so that none is held."""
        seed = hashlib.sha256(f"{self._key}/{name}".encode()).digest()[:8]
        generator = torch.Generator().manual_seed(int.from_bytes(seed, "little") >> 1)
        logits = self.moments[name][0]
        noise = torch.rand(logits.shape, generator=generator).clamp(1e-6, 1 - 1e-6).logit()
        return ((logits + noise) / _TEMPERATURE).sigmoid()

    def scaled(self, name: str) -> Tensor:
        """Return what a tensor's change is multiplied by."""
        return rescaled(self._drawn(name), self._expected)

    def learn(self, name: str, slope: Tensor, change: Tensor, count: int) -> Tensor:
        """Take step `count` of Adam in a tensor's logits; return the gradient before the mask.

        `slope` is the gradient in the merged tensor, and `change` what the mask is put on.
        """
        mask = self._drawn(name)
        scaled = rescaled(mask, self._expected)
        gradient = slope * change * rescaled(mask * (1 - mask), self._expected) / _TEMPERATURE
        logits, mean, square = self.moments[name]
        mean.lerp_(gradient, 0.1)
        square.lerp_(gradient.square(), 0.001)
        size = (square / (1 - 0.999**count)).sqrt() + 1e-8
        logits.sub_(self.rate * mean / (1 - 0.9**count) / size)
        return slope * scaled

    def bits(self) -> dict[str, NDArray[np.generic]]:
        """Return the mask as it is used: one bit for each number, and the share that is kept."""
        bits = {
            f"mask.{name}": np.packbits((each[0] > 0).numpy().reshape(-1))
            for name, each in self.moments.items()
        }
        return {**bits, "share": np.array([self.share])}

    def stored(self) -> dict[str, NDArray[np.generic]]:
        """Return all that training needs to go on."""
        return {f"mask.{name}": each.numpy() for name, each in self.moments.items()}

    def restore(self, stored: Mapping[str, NDArray[np.generic]]) -> None:
        """Go on from what was stored."""
        self.moments = {
            name: torch.from_numpy(np.array(stored[f"mask.{name}"])) for name in self.moments
        }

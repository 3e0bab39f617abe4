"""Coefficients that change with the layer and with the kind of tensor."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from composer.specs.parts import Coefficients

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.specs.parts import TensorPlace

__all__ = ["Gradient", "kind_of_tensor"]

Factors = float | Annotated[tuple[float, ...], Field(min_length=1)]
"""One factor, or several that are spread evenly over the depth and joined by straight lines."""

KINDS = {
    "norms": re.compile(r"norm|(^|[._])ln_?\w*\."),
    "attention": re.compile(r"att(entio)?n"),
    "mlp": re.compile(r"mlp|ffn|feed_?forward|dense|experts|fc\d|moe"),
    "head": re.compile(r"embed_out|(^|[._])(head|score)\."),
    "embeddings": re.compile(r"emb|wte|wpe"),
}
"""How the names of each kind of tensors are known, the first that fits."""


class Gradient(Coefficients):
    """Factors on the coefficients, from layer to layer and by kind of tensor.

    The coefficients of all members after the first are multiplied by a factor, and the first member
    takes what is missing to the same sum. So with `base + 1 * (A - base)` a factor is how far a
    tensor goes from the base to A. Several factors are spread evenly over the depth, from the first
    layer to the last, and in between the factor lies on a straight line. `attention`, `mlp`,
    `norms`, `embeddings` and `head` replace `layers` for tensors of that kind. Embeddings lie at
    the depth of the first layer; other tensors beside the layers at that of the last.
    """

    name: ClassVar[str] = "gradient"
    paper: ClassVar[str] = "arXiv:2403.13257"

    layers: Factors = 1.0
    attention: Factors | None = None
    mlp: Factors | None = None
    norms: Factors | None = None
    embeddings: Factors | None = None
    head: Factors | None = None

    def at(self, place: TensorPlace, given: Sequence[float]) -> Sequence[float]:
        """Multiply all coefficients but the first, which keeps the sum what it was."""
        kind = kind_of_tensor(place.name)
        own = None if kind is None else getattr(self, kind)
        beside = 0.0 if kind == "embeddings" else 1.0
        depth = beside if place.depth is None else place.depth
        factor = _between(self.layers if own is None else own, depth)
        others = [factor * each for each in given[1:]]
        return [sum(given) - sum(others), *others]


def kind_of_tensor(name: str) -> str | None:
    """Return the kind of tensor that a name is of; None where it is of no known kind."""
    return next((kind for kind, known in KINDS.items() if known.search(name.lower())), None)


def _between(factors: float | tuple[float, ...], depth: float) -> float:
    """Return the factor at a depth from 0 to 1."""
    if not isinstance(factors, tuple):
        return factors
    position = depth * (len(factors) - 1)
    below = min(int(position), len(factors) - 2) if len(factors) > 1 else 0
    above = min(below + 1, len(factors) - 1)
    return factors[below] + (position - below) * (factors[above] - factors[below])

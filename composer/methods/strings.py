"""How string fuses make one value of the members' probabilities of a string."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from composer.engine.sessions.prefixes.string_mean import StringMean
from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.sessions.prefixes.byte_trie import Floats

__all__ = ["Maximum", "Mean", "Minimum", "Power", "Product", "StringMean"]

_PAPER = "arXiv:2603.05432"
_ZERO = 1e-8  # smaller exponents lose all digits, and change less than that


class Mean(StringMean):
    """Weighted mean of the probabilities: one member is chosen, and writes the whole string."""

    name: ClassVar[str] = "mean"
    paper: ClassVar[str] = _PAPER

    def logs(self, logprobs: Floats, weights: Sequence[float]) -> Floats:
        """Return `log sum w_k p_k`."""
        return _power(logprobs, weights, 1.0)


class Product(StringMean):
    """Product of the probabilities: strings that all members find likely.

    Without `normalize` the exponents are the weights times the number of members, so that equal
    weights give the product itself. With it they are the weights: the geometric mean.
    """

    name: ClassVar[str] = "product"
    paper: ClassVar[str] = _PAPER

    normalize: bool = False

    def logs(self, logprobs: Floats, weights: Sequence[float]) -> Floats:
        """Return `n sum w_k log p_k`, with n members, or 1 in place of n."""
        mean = _power(logprobs, weights, 0.0)
        return mean if self.normalize else len(weights) * mean


class Minimum(StringMean):
    """The smallest probability; weights above zero make no difference."""

    name: ClassVar[str] = "minimum"
    paper: ClassVar[str] = _PAPER

    def logs(self, logprobs: Floats, weights: Sequence[float]) -> Floats:
        """Return `min log p_k`."""
        return _power(logprobs, weights, -math.inf)


class Maximum(StringMean):
    """The largest probability; weights above zero make no difference."""

    name: ClassVar[str] = "maximum"
    paper: ClassVar[str] = _PAPER

    def logs(self, logprobs: Floats, weights: Sequence[float]) -> Floats:
        """Return `max log p_k`."""
        return _power(logprobs, weights, math.inf)


class Power(StringMean):
    """Weighted power mean of the exponent `p`: 1 is the mean, 0 the geometric, -1 the harmonic."""

    name: ClassVar[str] = "power"
    paper: ClassVar[str] = _PAPER

    p: Annotated[float, Field(allow_inf_nan=False)]

    def logs(self, logprobs: Floats, weights: Sequence[float]) -> Floats:
        """Return `(1 / p) log sum w_k p_k^p`."""
        return _power(logprobs, weights, self.p)


def _power(logprobs: Floats, weights: Sequence[float], p: float) -> Floats:
    """The logarithms [string] of weighted power means; minus infinity if all members say zero."""
    shares = np.array(weights)[:, None]
    means: Floats
    if math.isinf(p):
        means = logprobs.min(0) if p < 0 else logprobs.max(0)
    elif abs(p) < _ZERO:
        means = (shares * logprobs).sum(0)
    else:
        means = np.logaddexp.reduce(np.log(shares) + p * logprobs, axis=0) / p
    return means

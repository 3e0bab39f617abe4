"""The prior of a guarded estimator: simple models of a query's length and shape, and no words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.heavy import np
from composer.methods.estimators.shapes import shapes
from composer.methods.estimators.trees import leaves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.estimators.values import Asked, Floats
    from composer.values import State

LIMIT = 5.0
"""Standard deviations at which a number of a shape is cut."""

TREES = "trees"
"""The state of the forest, where the prior has one."""


RARE = (0.02, 0.05)
"""P-values of a query: below the first it gets the plain prior, above the second the whole one."""


def prior_quality(state: State, queries: Sequence[Asked], p_values: Floats) -> Floats:
    """Return the prior's quality [n, m]: a linear model of the shape, and a forest over it.

    Where a shape is rare, neither is to be relied on: there it is a line over the length.
    """
    linear = state.part("linear").arrays
    values = standardised(shapes(queries), linear["location"], linear["scale"])
    quality: Floats = values @ linear["slopes"] + linear["level"]
    if TREES in state.facts:
        quality = quality + leaves(state.part(TREES), values.astype(np.float32)).mean(1)
    plain = state.part("plain").arrays
    return between(values[:, :1] @ plain["slopes"] + plain["level"], quality, p_values)


def between(plain: Floats, whole: Floats, p_values: Floats) -> Floats:
    """Return qualities [n, m] between those of the plain and the whole prior, by p-values [n]."""
    share = np.interp(p_values, RARE, (0, 1))[:, None]
    out: Floats = share * whole + (1 - share) * plain
    return out


def standardised(values: Floats, location: Floats, scale: Floats) -> Floats:
    """Return shapes in standard deviations from the mean, within the limit."""
    out: Floats = np.clip((values - location) / scale, -LIMIT, LIMIT)
    return out

"""How well an estimator does on rows that it did not learn from, beside the plain baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.fit.deciding import strongest
from composer.fit.ordering import intervals
from composer.heavy import np
from composer.metrics import difference_interval, mean_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from composer.methods.estimators.values import Floats, Labels, Predictions
    from composer.metrics.intervals import Interval


_PAIR = 2  # a weak and a strong choice

LEAST = 0.05
"""The gap between two choices below which its recovered share says nothing."""


def facts(labels: Labels) -> dict[str, object]:
    """Return how many rows have every outcome, and the best single choice with its quality."""
    rows = _complete(labels)
    some = labels.take(rows)
    if not len(rows):
        return {"complete": 0}
    single = strongest(some)
    quality = float(some.quality[:, single].mean())
    return {"complete": len(rows), "single": {"name": some.names[single], "quality": quality}}


def validate(labels: Labels, found: Predictions, seed: int) -> dict[str, list[float]]:
    """Return how well predictions of left-out rows do, each value with its 95% interval.

    That is the quality of the best estimated choice and its gain over the best single one; of two
    choices also the APGR, that of the prompt's length, and the paired gain over length. Rows
    without the outcome of some choice are passed over.
    """
    complete = _complete(labels)
    if not len(complete):
        return {}
    some, mean = labels.take(complete), found.mean[complete]
    best = some.quality[np.arange(len(mean)), mean.argmax(1)]
    single = some.quality[:, strongest(some)]
    out = {
        "quality": _triple(mean_interval(best.tolist(), seed=seed)),
        "gain": _triple(difference_interval(best.tolist(), single.tolist(), seed=seed)),
    }
    if len(some.names) == _PAIR:
        out |= _two(some, mean, seed)
    return out


def _complete(labels: Labels) -> NDArray[np.intp]:
    rows: NDArray[np.intp] = np.flatnonzero(~np.isnan(labels.quality).any(1))
    return rows


def _two(labels: Labels, mean: Floats, seed: int) -> dict[str, list[float]]:
    strong = strongest(labels)
    weak = 1 - strong
    pair = labels.quality[:, weak], labels.quality[:, strong]
    if abs(pair[1].mean() - pair[0].mean()) < LEAST:
        return {}
    score = mean[:, strong] - mean[:, weak]
    length = np.array([len(query) for query in labels.queries], dtype=float)
    found = intervals([score, length], *pair, seed)
    return dict(zip(("apgr", "length", "over_length"), map(_triple, found), strict=True))


def _triple(found: Interval) -> list[float]:
    """Return a mean and its interval with as many digits as mean something."""
    return [round(value, 6) for value in (found.mean, found.low, found.high)]

"""How well an estimator does on rows that it did not learn from, beside the plain baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.learn.deciding import strongest
from composer.learn.ordering import recovered_interval
from composer.metrics import difference_interval, mean_interval

if TYPE_CHECKING:
    from composer.metrics.intervals import Interval
    from composer.parts.estimators.base import Floats, Labels, Predictions


def validate(
    labels: Labels, found: Predictions, foreign: Predictions | None, seed: int
) -> dict[str, Any]:
    """Return the report of a fit: `shuffled` rows left out, and whole tags left out (`foreign`).

    Each has the quality of the best estimated choice and its gain over the best single one; of
    two choices also the APGR, that of the prompt's length, and the paired gain over length.
    Rows without the outcome of some choice are passed over. Every value has its 95% interval.
    """
    import numpy as np

    rows = np.flatnonzero(~np.isnan(labels.quality).any(1))
    if not len(rows):
        return {}
    some = labels.take(rows)
    report = {"rows": len(rows), "shuffled": _scheme(some, found.mean[rows], seed)}
    if foreign is not None:
        report["foreign"] = _scheme(some, foreign.mean[rows], seed)
    single = strongest(some)
    report["single"] = {
        "name": some.names[single],
        "quality": float(some.quality[:, single].mean()),
    }
    return report


def _scheme(labels: Labels, mean: Floats, seed: int) -> dict[str, Any]:
    import numpy as np

    rows = np.arange(len(mean))
    best = labels.quality[rows, mean.argmax(1)]
    single = labels.quality[:, strongest(labels)]
    out = {
        "quality": _triple(mean_interval(best.tolist(), seed=seed)),
        "gain": _triple(difference_interval(best.tolist(), single.tolist(), seed=seed)),
    }
    if len(labels.names) == 2:  # noqa: PLR2004 - a weak and a strong choice
        out |= _two(labels, mean, seed)
    return out


def _two(labels: Labels, mean: Floats, seed: int) -> dict[str, Any]:
    import numpy as np

    strong = strongest(labels)
    weak = 1 - strong
    pair = labels.quality[:, weak], labels.quality[:, strong]
    if pair[0].mean() == pair[1].mean():
        return {}
    score = mean[:, strong] - mean[:, weak]
    length = np.array([len(query) for query in labels.queries], dtype=float)
    return {
        "apgr": _triple(recovered_interval(score, *pair, seed=seed)),
        "length": _triple(recovered_interval(length, *pair, seed=seed)),
        "over_length": _triple(recovered_interval(score, *pair, against=length, seed=seed)),
    }


def _triple(found: Interval) -> list[float]:
    """Return a mean and its interval with as many digits as mean something."""
    return [round(value, 6) for value in (found.mean, found.low, found.high)]

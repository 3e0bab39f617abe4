"""How well an estimator does on rows that it did not learn from, beside the plain baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.fit.decisions import strongest
from composer.heavy import np
from composer.metrics import difference_interval, mean_interval
from composer.metrics.curves import apgr, threshold_picks
from composer.metrics.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from composer.methods.estimators.values import Floats, Labels, Predictions

_PAIR = 2  # a weak and a strong choice

DRAWS = 200
"""Bootstrap draws."""

LEAST = 0.05
"""The gap between two choices below which its recovered share says nothing."""


def facts(labels: Labels) -> dict[str, object]:
    """Return how many rows have every outcome, and the best single choice with its quality."""
    rows = _complete(labels)
    complete_labels = labels.take(rows)
    if not len(rows):
        return {"complete": 0}
    single = strongest(complete_labels)
    quality = float(complete_labels.quality[:, single].mean())
    return {
        "complete": len(rows),
        "single": {"name": complete_labels.names[single], "quality": quality},
    }


def validate(labels: Labels, predictions: Predictions, seed: int) -> dict[str, list[float]]:
    """Return how well predictions of left-out rows do, each value with its 95% interval.

    That is the quality of the best estimated choice and its gain over the best single one; of two
    choices also the APGR, that of the prompt's length, and the paired gain over length. Rows
    without the outcome of some choice are passed over.
    """
    complete = _complete(labels)
    if not len(complete):
        return {}
    complete_labels, mean = labels.take(complete), predictions.mean[complete]
    best = complete_labels.quality[np.arange(len(mean)), mean.argmax(1)]
    single = complete_labels.quality[:, strongest(complete_labels)]
    report = {
        "quality": triple(mean_interval(best.tolist(), seed=seed)),
        "gain": triple(difference_interval(best.tolist(), single.tolist(), seed=seed)),
    }
    if len(complete_labels.names) == _PAIR:
        report |= _two(complete_labels, mean, seed)
    return report


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
    values = intervals([score, length], *pair, seed)
    return dict(zip(("apgr", "length", "over_length"), map(triple, values), strict=True))


def merit(mean: Floats, quality: Floats) -> float:
    """Return how good estimates [n, m] are where every outcome [n, m] is known.

    That is the APGR of two choices, 0.5 for estimates that tell no query from another; of more
    choices, and of two that are equally good, it is the quality of the best estimated choice.
    """
    if mean.shape[1] == _PAIR:
        strong = int(quality.mean(0).argmax())
        pair = quality[:, 1 - strong], quality[:, strong]
        score = mean[:, strong] - mean[:, 1 - strong]
        if abs(pair[1].mean() - pair[0].mean()) >= LEAST:
            return recovered(score, *pair) if np.ptp(score) > 0 else 0.5
    return float(quality[np.arange(len(mean)), mean.argmax(1)].mean())


def length_merit(labels: Labels, rows: NDArray[np.bool_]) -> float:
    """Return the merit of sending the longest prompts to the better of two choices.

    Of more choices it is that of the best single one.
    """
    quality = labels.quality[rows]
    mean = np.zeros_like(quality)
    lengths = np.array([len(query) for query in labels.queries], dtype=float)
    mean[:, quality.mean(0).argmax()] = 1 + lengths[rows]
    return merit(mean, quality)


def triple(interval: Interval) -> list[float]:
    """Return a mean and its interval with as many digits as mean something."""
    return [round(value, 6) for value in (interval.mean, interval.low, interval.high)]


def recovered(score: Floats, weak: Floats, strong: Floats) -> float:
    """Return the APGR of a score [n], NaN where strong and weak are equally good.

    It says how well a router orders queries (RouteLLM, arXiv:2406.18665): the part of the gap
    between weak and strong that it recovers, see `composer.metrics.curves`. Chance recovers half.

    `weak` and `strong` are the qualities of the two choices; the greater the score, the sooner
    the strong one is asked.
    """
    asked = threshold_picks(score)
    quality = np.where(asked, strong, weak).mean(1)
    return apgr(asked.mean(1), quality, float(weak.mean()), float(strong.mean()))


def intervals(scores: Sequence[Floats], weak: Floats, strong: Floats, seed: int) -> list[Interval]:
    """Return the APGR of each of several scores with its bootstrap interval over rows.

    After those comes, for each score but the first, the paired gain of the first over it.
    """

    def values(rows: NDArray[np.intp] | slice) -> list[float]:
        recoveries = [recovered(score[rows], weak[rows], strong[rows]) for score in scores]
        return recoveries + [recoveries[0] - other for other in recoveries[1:]]

    rng = np.random.default_rng(seed)
    draws = [values(rng.integers(len(weak), size=len(weak))) for _ in range(DRAWS)]
    low, high = np.nanquantile(draws, (0.025, 0.975), axis=0)
    return [
        Interval(*map(float, estimate))
        for estimate in zip(values(slice(None)), low, high, strict=True)
    ]

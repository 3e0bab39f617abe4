"""How sure a mean is: bootstrap intervals over rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "Interval",
    "difference_interval",
    "drawn_interval",
    "mean_interval",
    "resampled_means",
]

DRAWS = 2000
AT_ONCE = 2_000_000
"""How many numbers are drawn at a time, so that memory stays small."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, and the range that holds it at the level that was asked for."""

    mean: float
    low: float
    high: float

    @property
    def settled(self) -> bool:
        """Whether zero lies outside: of a difference, whether one side is surely better."""
        return self.low > 0 or self.high < 0


def mean_interval(
    values: Sequence[float], *, level: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> Interval:
    """The percentile bootstrap interval of a mean; rows are drawn with replacement, seeded."""
    data = np.asarray(values, dtype=np.float64)
    if data.size == 0:
        raise ValueError("a mean needs at least one value")
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, not {level}")
    tails = ((1 - level) / 2, (1 + level) / 2)
    low, high = np.quantile(_means(data, draws, seed), tails)
    return Interval(float(data.mean()), float(low), float(high))


def difference_interval(
    left: Sequence[float],
    right: Sequence[float],
    *,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """The interval of `mean(left) - mean(right)` over the same rows, drawn in pairs."""
    if len(left) != len(right):
        raise ValueError(f"pairs need equally many values, not {len(left)} and {len(right)}")
    pairs = zip(left, right, strict=True)
    return mean_interval([a - b for a, b in pairs], level=level, draws=draws, seed=seed)


def resampled_means(
    columns: NDArray[np.floating], *, draws: int = DRAWS, seed: int = 0
) -> NDArray[np.float64]:
    """Means of the columns of [n, k], [1 + draws, k]: as they are, then of resampled rows.

    The same seed draws the same rows of tables of one length, so figures of several tables over
    the same rows are paired.
    """
    data = np.asarray(columns, dtype=np.float64)
    rng, size = np.random.default_rng(seed), len(data)
    means, block = [data.mean(axis=0)[None]], max(1, AT_ONCE // size)
    for start in range(0, draws, block):
        drawn = rng.integers(size, size=(min(block, draws - start), size))
        counts = np.stack([np.bincount(each, minlength=size) for each in drawn])
        means.append(counts @ data / size)
    return np.concatenate(means)


def drawn_interval(values: NDArray[np.floating], *, level: float = 0.95) -> Interval:
    """The percentile interval of a statistic: its value, then its values over resampled rows.

    Draws for which it is not defined (NaN) are left out; it is NaN throughout where it never is.
    """
    data = np.asarray(values, dtype=np.float64)
    drawn = np.sort(data[1:][~np.isnan(data[1:])])
    if np.isnan(data[0]) or not drawn.size:
        return Interval(float(data[0]), float("nan"), float("nan"))
    places = np.array([(1 - level) / 2, (1 + level) / 2]) * (drawn.size - 1)
    low, high = drawn[int(np.floor(places[0]))], drawn[int(np.ceil(places[1]))]
    return Interval(float(data[0]), float(low), float(high))


def _means(data: NDArray[np.float64], draws: int, seed: int) -> NDArray[np.float64]:
    """Means of resampled rows, a block of draws at a time."""
    rng = np.random.default_rng(seed)
    block = max(1, AT_ONCE // data.size)
    sizes = [min(block, draws - start) for start in range(0, draws, block)]
    return np.concatenate(
        [data[rng.integers(data.size, size=(size, data.size))].mean(axis=1) for size in sizes]
    )

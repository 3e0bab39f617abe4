"""How well a router orders queries: the share of the gap between weak and strong that it recovers.

The APGR of RouteLLM (arXiv:2406.18665), see `composer.metrics.curves`. Chance recovers one half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.heavy import np
from composer.metrics.curves import apgr, threshold_picks
from composer.metrics.intervals import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from composer.methods.estimators.values import Floats

DRAWS = 200


def recovered(score: Floats, weak: Floats, strong: Floats) -> float:
    """Return the APGR of a score [n], NaN where strong and weak are equally good.

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
        found = [recovered(score[rows], weak[rows], strong[rows]) for score in scores]
        return found + [found[0] - other for other in found[1:]]

    rng = np.random.default_rng(seed)
    draws = [values(rng.integers(len(weak), size=len(weak))) for _ in range(DRAWS)]
    low, high = np.nanquantile(draws, (0.025, 0.975), axis=0)
    return [
        Interval(*map(float, each)) for each in zip(values(slice(None)), low, high, strict=True)
    ]

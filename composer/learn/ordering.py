"""How well a router orders queries: the share of the gap between weak and strong that it recovers.

APGR (RouteLLM, arXiv:2406.18665): quality against the share of strong calls at ten quantiles of
the score, its area between the weak model (0) and the strong one (1). Chance recovers one half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.metrics.intervals import Interval

if TYPE_CHECKING:
    from composer.parts.estimators.base import Floats

THRESHOLDS = 10
DRAWS = 300


def recovered(score: Floats, weak: Floats, strong: Floats) -> float:
    """Return the APGR of a score [n], NaN where strong and weak are equally good.

    `weak` and `strong` are the qualities of the two choices; the greater the score, the sooner
    the strong one is asked.
    """
    import numpy as np

    edges = np.unique(np.quantile(score, np.linspace(0, 1, THRESHOLDS + 1)))
    asked = np.stack([score >= edge for edge in edges[:-1]] + [score > edges[-1]])
    share = asked.mean(1)[::-1]
    quality = np.where(asked, strong, weak).mean(1)[::-1]
    low, high = weak.mean(), strong.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        return float((np.trapezoid(quality - low, share)) / (high - low))


def recovered_interval(
    score: Floats, weak: Floats, strong: Floats, *, against: Floats | None = None, seed: int = 0
) -> Interval:
    """Return the APGR with its bootstrap interval over rows; with `against`, the paired gain."""
    import numpy as np

    def value(rows: Any) -> float:  # noqa: ANN401 - indices, or all
        pair = weak[rows], strong[rows]
        found = recovered(score[rows], *pair)
        return found if against is None else found - recovered(against[rows], *pair)

    rng = np.random.default_rng(seed)
    draws = [value(rng.integers(len(score), size=len(score))) for _ in range(DRAWS)]
    low, high = np.nanquantile(draws, (0.025, 0.975))
    return Interval(value(slice(None)), float(low), float(high))

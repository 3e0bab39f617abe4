"""Hybrid routing: the chance that the small model does no worse than the large one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.heavy import np
from composer.methods.estimators.dense import Dense
from composer.methods.estimators.heads import Head, fit_scores
from composer.methods.estimators.nets import forward, layers, sigmoid
from composer.methods.estimators.values import Predictions
from composer.methods.mistakes import PartError
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.estimators.values import Asked, Floats, Labels

_PAIR = 2
_SHIFTS = 64


class Hybrid(Dense):
    """P(small >= large) for two choices, the small one first, fitted on the gap of outcomes.

    With H = q(small) - q(large), the label is 1[H >= 0] (`hard`), Pr[H >= 0] where a recorded
    share of right samples is the chance of each (`soft`), or Pr[H >= -t] (`shifted`) with the t
    that sets the labels furthest apart: t* = argmax of mean |y_i(t) - y_j(t)| over all pairs.
    The estimates are p and 1 - p, so `threshold(at = tau)` asks the small model where p >= tau.
    """

    name: ClassVar[str] = "hybrid"
    paper: ClassVar[str] = "arXiv:2404.14618"

    gap: Literal["hard", "soft", "shifted"] = "shifted"
    hidden: int = Field(default=0, ge=0)
    steps: int = Field(default=400, ge=1)

    def fit(self, labels: Labels, seed: int) -> State:
        """Train one probability on the rows where both outcomes are known."""
        if len(labels.names) != _PAIR:
            count = len(labels.names)
            raise PartError(
                "E504",
                "`hybrid` needs exactly two choices, a small and a large one, but there are "
                f"{count}",
                "give two branches, or use `head(...)`, which takes any number",
            )
        observed_rows = np.flatnonzero(~np.isnan(labels.quality).any(axis=1))
        rows = labels.take(observed_rows)
        shift, wanted = gap_labels(rows.quality, self.gap)
        space, x = self.reduce(rows.asked, seed)
        sizes = (x.shape[1], *([self.hidden] if self.hidden else []), 1)
        weights = layers(sizes, np.random.default_rng(seed))
        head = Head(steps=self.steps)
        learnt = fit_scores(head, weights, x, wanted[:, None], seed)
        return State.join(space=space, net=State(learnt, {"shift": shift}))

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return p for the small choice and 1 - p for the large one."""
        x = self.reduced(state.part("space"), queries)
        chance = sigmoid(forward(state.part("net").arrays, x))
        return Predictions.of(np.hstack([chance, 1 - chance]))


def gap_labels(quality: Floats, gap: str) -> tuple[float, Floats]:
    """Return the shift t and the labels [n] of rows of outcomes [n, 2]."""
    if gap == "hard":
        return 0.0, (quality[:, 0] >= quality[:, 1]).astype(float)
    if gap == "soft":
        return 0.0, 1 - (1 - quality[:, 0]) * quality[:, 1]
    worse = np.maximum(quality[:, 1] - quality[:, 0], 0)
    shifts = np.unique(np.quantile(worse, np.linspace(0, 1, _SHIFTS)))
    labels = [(quality[:, 0] - quality[:, 1] >= -shift).astype(float) for shift in shifts]
    apart = [_apart(each) for each in labels]
    at = int(np.argmax(apart))
    return float(shifts[at]), labels[at]


def _apart(labels: Floats) -> float:
    """Return the mean of |y_i - y_j| over all pairs of values."""
    ordered = np.sort(labels)
    count = len(ordered)
    ranks = 2 * np.arange(1, count + 1) - count - 1
    return float(2 * (ranks * ordered).sum() / max(count, 1) ** 2)

"""Logistic models of the quality of every stage, one for each set of stages that have answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.heavy import np
from composer.methods.estimators.nets import sigmoid
from composer.values import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from composer.methods.estimators.values import Floats
    from composer.methods.post_hoc.features import Columns

_LIMIT = 5.0
_STEPS, _HALVINGS, _CLOSE, _STEADY = 50, 20, 1e-6, 1e-9


def standard(columns: Floats) -> State:
    """Return the mean and the standard deviation of each column over what is known of it."""
    some = np.where(np.isnan(columns).all(0), 0.0, columns)
    spread = np.nanstd(some, 0)
    return State({"centre": np.nanmean(some, 0), "scale": spread + (spread == 0)})


def standardised(scale: State, columns: Floats) -> Floats:
    """Return columns with mean 0 and deviation 1, cut at 5 deviations; what is unknown is 0."""
    scaled = (columns - scale.arrays["centre"]) / scale.arrays["scale"]
    inside: Floats = np.clip(np.nan_to_num(scaled), -_LIMIT, _LIMIT)
    return inside


@dataclass(frozen=True, eq=False)
class Examples:
    """What is learnt from: the columns [n, d] of n questions, and the quality [n, m] of m stages.

    Qualities are from 0 to 1, NaN where unknown. `answers` [n, m] says which stages answered.
    """

    vectors: Floats
    quality: Floats
    answers: NDArray[np.bool_]

    def taken(self, rows: NDArray[np.intp]) -> Examples:
        """Return some of the rows."""
        return Examples(self.vectors[rows], self.quality[rows], self.answers[rows])


def members_of(answered: int, stages: int) -> list[int]:
    """Return the stages of a set, which has the bit of each."""
    return [at for at in range(stages) if answered >> at & 1]


def fit_models(columns: Columns, examples: Examples, c: float) -> State:
    """Fit a logistic model of each stage [m] for each set of stages [2^m].

    A row in which a stage of the set did not answer is left out. `c` is the inverse penalty.
    """
    stages, vectors = columns.stages, examples.vectors
    weights = np.zeros((2**stages, stages, vectors.shape[1]))
    bias = np.zeros((2**stages, stages))
    for answered in range(2**stages):
        whole = examples.answers[:, members_of(answered, stages)].all(1)
        for target in range(stages):
            rows = whole & ~np.isnan(examples.quality[:, target])
            counts = columns.weights(answered, target)
            used = np.flatnonzero(counts)
            own, bias[answered, target] = _logistic(
                vectors[rows][:, used] * counts[used], examples.quality[rows, target], c
            )
            weights[answered, target, used] = own * counts[used]
    return State({"weights": weights, "bias": bias})


def predicted(models: State, answered: NDArray[np.intp], vectors: Floats) -> Floats:
    """Return the chance [n, m] that each stage is right, in states with these sets answered [n]."""
    arrays = models.arrays
    scores = np.einsum("nmd,nd->nm", arrays["weights"][answered], vectors)
    return sigmoid(scores + arrays["bias"][answered])


def _logistic(vectors: Floats, quality: Floats, c: float) -> tuple[Floats, float]:
    """Return the weights and the bias of a logistic regression; qualities may be shares.

    It minimises the cross-entropy + |weights|^2 / 2c by Newton's steps, each halved until it
    descends. scikit-learn takes no shares, and five times as long for as few numbers. Where all
    outcomes are equal, or there are none, every state has their smoothed share.
    """
    share = (quality.sum() + 1) / (len(quality) + 2)
    if not len(quality) or quality.min() == quality.max():
        return np.zeros(vectors.shape[1]), float(np.log(share / (1 - share)))
    rows = np.hstack([vectors, np.ones((len(vectors), 1))])
    penalty = np.append(np.full(vectors.shape[1], 1 / c), 0.0)
    weights = np.append(np.zeros(vectors.shape[1]), np.log(share / (1 - share)))
    loss = _loss(rows, quality, penalty, weights)
    for _ in range(_STEPS):
        chances = sigmoid(rows @ weights)
        slope = rows.T @ (chances - quality) + penalty * weights
        curve = (rows * (chances * (1 - chances))[:, None]).T @ rows + np.diag(penalty + _STEADY)
        step = np.linalg.solve(curve, slope)
        sizes = 0.5 ** np.arange(_HALVINGS)
        tried = ((size, _loss(rows, quality, penalty, weights - size * step)) for size in sizes)
        size, loss = next((each for each in tried if each[1] < loss), (0.0, loss))
        weights = weights - size * step
        if size * np.abs(step).max() < _CLOSE:
            break
    return weights[:-1], float(weights[-1])


def _loss(rows: Floats, quality: Floats, penalty: Floats, weights: Floats) -> float:
    scores = rows @ weights
    return float((np.logaddexp(0, scores) - quality * scores).sum() + penalty @ weights**2 / 2)

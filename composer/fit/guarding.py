"""Teaching a guard: how much an estimator is believed on queries unlike those it learnt from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.fit.folds import out_of_fold
from composer.heavy import np, sklearn
from composer.methods.estimators.foreign import SEEN, blended, landmarks, nearest
from composer.methods.estimators.learned import Linear
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from composer.fit.folds import Split
    from composer.methods.estimators.features import Vectors
    from composer.methods.estimators.values import Floats, Labels, Predictions

PRIOR = Linear(features=SEEN, c=0.03)
"""The safe prior."""

BINS = 8
ENOUGH = 100
"""Rows that a bin of similarities needs, so that its weight means something."""

USUAL = 200
"""Quantiles of the similarity among the rows themselves that are kept."""


@dataclass(frozen=True, eq=False)
class HeldOutPredictions:
    """Predictions of left-out rows: of the estimator, of the prior, and how near the rows lay.

    `folds` [n] says in which fold each row was left out.
    """

    found: Predictions
    prior: Predictions
    similar: Floats
    folds: NDArray[np.intp]


def see(
    labels: Labels, vectors: Vectors, found: Predictions, splits: Sequence[Split], seed: int
) -> HeldOutPredictions:
    """Return what the prior says of the rows that were left out, and how near they lay.

    `vectors` are those of all rows (see `near_state`).
    """
    similar = np.zeros(len(labels.queries))
    folds = np.zeros(len(labels.queries), dtype=np.intp)
    for at, (learnt, left) in enumerate(splits):
        similar[left] = nearest(vectors[left], landmarks(vectors[learnt]))
        folds[left] = at
    return HeldOutPredictions(found, out_of_fold(PRIOR, labels, splits, seed), similar, folds)


def guard(
    labels: Labels,
    near: State,
    usual: HeldOutPredictions,
    apart: HeldOutPredictions | None,
    seed: int,
) -> State:
    """Return the state of a guard: what is near (`near_state`), the prior, the curve of belief."""
    knots, weights = _curve(labels, [usual, *([apart] if apart else [])])
    steps = np.linspace(0, 1, USUAL + 1)
    curve = {
        "similar": knots,
        "weight": weights,
        "usual": np.quantile(usual.similar, steps),
    }
    return State.join(near=near, prior=PRIOR.fit(labels, seed), curve=State(curve))


def held_out(
    labels: Labels, seen: HeldOutPredictions, other: HeldOutPredictions | None
) -> Predictions:
    """Return the shrunk predictions of left-out rows, each by a curve that did not see its fold."""
    weight = np.zeros(len(seen.similar))
    for fold in np.unique(seen.folds):
        left = seen.folds == fold
        knots, weights = _curve(labels, [seen, *([other] if other else [])], without=left)
        weight[left] = np.interp(seen.similar[left], knots, weights)
    return blended(seen.found, seen.prior, weight)


def _curve(
    labels: Labels, views: Sequence[HeldOutPredictions], without: NDArray[np.bool_] | None = None
) -> tuple[Floats, Floats]:
    """Return the knots and the weights of a curve: similarity to belief, rising, within [0, 1].

    In each bin of similarities w = <m - p, y - p> / <m - p, m - p> is the least-squares weight of
    the estimator m against the prior p, of qualities less their mean over the choices; isotonic
    regression makes the weights rise. What resembles nothing is left to the prior.
    """
    known = ~np.isnan(labels.quality).any(1)
    if without is not None:
        known = known & ~without
    similar = np.concatenate([view.similar[known] for view in views])
    ahead = np.vstack([_centred(view.found.mean - view.prior.mean)[known] for view in views])
    wanted = np.vstack([_centred(labels.quality - view.prior.mean)[known] for view in views])
    bins = int(np.clip(len(similar) // ENOUGH, 1, BINS))
    edges = np.quantile(similar, np.linspace(0, 1, bins + 1)) if len(similar) else np.zeros(2)
    inside = np.searchsorted(edges[1:-1], similar, side="right")
    above = np.bincount(inside, (ahead * wanted).sum(1), minlength=bins)
    below = np.bincount(inside, (ahead**2).sum(1), minlength=bins)
    raw = np.clip(np.divide(above, below, out=np.ones(bins), where=below > 0), 0, 1)
    weights = sklearn.isotonic.isotonic_regression(raw, sample_weight=np.maximum(below, 1e-12))
    middles = (edges[:-1] + edges[1:]) / 2
    return np.concatenate([[0.0], middles]), np.concatenate([[0.0], weights])


def _centred(values: Floats) -> Floats:
    out: Floats = values - values.mean(1, keepdims=True)
    return out

"""Shrinkage: how far an estimator is trusted on queries unlike those it was fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.fit.folds import out_of_fold
from composer.heavy import np, sklearn
from composer.methods.estimators.learned import Linear
from composer.methods.estimators.shrinkage import SEEN, blended
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from composer.fit.folds import Split
    from composer.methods.estimators.values import Floats, Labels, Predictions

PRIOR = Linear(features=SEEN, c=0.03)
"""The safe prior."""

BINS = 8
ENOUGH = 100
"""Rows that a bin of similarities needs, so that its weight means something."""


@dataclass(frozen=True, eq=False)
class HeldOutPredictions:
    """Predictions of left-out rows, by the estimator and by the prior, and the rows' similarity.

    `folds` [n] says in which fold each row was left out.
    """

    predictions: Predictions
    prior: Predictions
    similarity: Floats
    folds: NDArray[np.intp]


def predict_held_out(
    labels: Labels,
    similarity: Floats,
    predictions: Predictions,
    splits: Sequence[Split],
    seed: int,
) -> HeldOutPredictions:
    """Return the prior's predictions of left-out rows, beside the estimator's."""
    folds = np.zeros(len(labels.queries), dtype=np.intp)
    for fold, (_, held_out) in enumerate(splits):
        folds[held_out] = fold
    return HeldOutPredictions(
        predictions, out_of_fold(PRIOR, labels, splits, seed), similarity, folds
    )


def shrinkage_state(
    labels: Labels,
    in_distribution: HeldOutPredictions,
    out_of_distribution: HeldOutPredictions | None,
    seed: int,
) -> dict[str, State]:
    """Return the states of shrinkage by name: the prior, and the trust curve."""
    knots, weights = _curve(
        labels, [in_distribution, *([out_of_distribution] if out_of_distribution else [])]
    )
    curve = State({"similar": knots, "weight": weights})
    return {"prior": PRIOR.fit(labels, seed), "curve": curve}


def shrink_predictions(
    labels: Labels, held_out: HeldOutPredictions, other: HeldOutPredictions | None
) -> Predictions:
    """Return the shrunk predictions of left-out rows, each by a curve that did not see its fold."""
    weight = np.zeros(len(held_out.similarity))
    for fold in np.unique(held_out.folds):
        in_fold = held_out.folds == fold
        knots, weights = _curve(labels, [held_out, *([other] if other else [])], without=in_fold)
        weight[in_fold] = np.interp(held_out.similarity[in_fold], knots, weights)
    return blended(held_out.predictions, held_out.prior, weight)


def _curve(
    labels: Labels, views: Sequence[HeldOutPredictions], without: NDArray[np.bool_] | None = None
) -> tuple[Floats, Floats]:
    """Return the knots and the weights of a curve: similarity to belief, rising, within [0, 1].

    In each bin of similarities w = <m - p, y - p> / <m - p, m - p> is the least-squares weight of
    the estimator m against the prior p, of qualities less their mean over the choices; isotonic
    regression makes the weights rise. What resembles nothing is left to the prior.
    """
    complete = ~np.isnan(labels.quality).any(1)
    if without is not None:
        complete = complete & ~without
    similarity = np.concatenate([view.similarity[complete] for view in views])
    ahead = np.vstack(
        [_centred(view.predictions.mean - view.prior.mean)[complete] for view in views]
    )
    wanted = np.vstack([_centred(labels.quality - view.prior.mean)[complete] for view in views])
    bins = int(np.clip(len(similarity) // ENOUGH, 1, BINS))
    edges = np.quantile(similarity, np.linspace(0, 1, bins + 1)) if len(similarity) else np.zeros(2)
    inside = np.searchsorted(edges[1:-1], similarity, side="right")
    above = np.bincount(inside, (ahead * wanted).sum(1), minlength=bins)
    below = np.bincount(inside, (ahead**2).sum(1), minlength=bins)
    raw = np.clip(np.divide(above, below, out=np.ones(bins), where=below > 0), 0, 1)
    weights = sklearn.isotonic.isotonic_regression(raw, sample_weight=np.maximum(below, 1e-12))
    middles = (edges[:-1] + edges[1:]) / 2
    return np.concatenate([[0.0], middles]), np.concatenate([[0.0], weights])


def _centred(values: Floats) -> Floats:
    out: Floats = values - values.mean(1, keepdims=True)
    return out

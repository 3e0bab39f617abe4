"""Shrinkage: how far an estimator is trusted on queries unlike those it was fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.fit.prior import (
    Candidates,
    constant_state,
    held_out_candidates,
    weigh_candidates,
)
from composer.fit.validation import length_merit, merit
from composer.heavy import np, sklearn
from composer.methods.estimators.prior import between
from composer.methods.estimators.shapes import shapes
from composer.methods.estimators.shrinkage import blended
from composer.methods.estimators.values import Predictions
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from composer.methods.estimators.folds import Split
    from composer.methods.estimators.values import Floats, Labels

    Curve = tuple[Floats, Floats]

FEW_ROWS, FEW_TAGS = 200, 8
"""Fewer rows, or tags, do not show how far an estimator or a prior holds on other queries."""

BINS = 8
ENOUGH = 100
"""Rows that a bin of p-values needs, so that its weight means something."""

EMPHASES = (3.0, 10.0, 100.0)
"""How often a row of left-out tags counts, beside one left out at random: the first that is enough.
"""

USUAL = 0.5
"""The p-value above which an estimator that does not hold on left-out tags is still trusted."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Rows that were left out in folds: the estimator's predictions, p-values [n], the folds."""

    predictions: Predictions
    p_values: Floats
    splits: Sequence[Split]


@dataclass(frozen=True, eq=False)
class HeldOutPredictions:
    """Left-out predictions of the estimator, and of the prior [n, m], with p-values and folds."""

    predictions: Predictions
    prior: Floats
    p_values: Floats
    folds: NDArray[np.intp]

    def shrunk(self, curve: Curve) -> Predictions:
        """Return the predictions, shrunk by a curve of trust."""
        weight = np.interp(self.p_values, *curve)
        return blended(self.predictions, Predictions.of(self.prior), weight)


@dataclass(frozen=True, eq=False)
class Shrinkage:
    """The state of the prior, and what teaches the curve of trust.

    A curve goes from p-values to weights of the estimator in [0, 1], rising. `inside` are rows left
    out at random, `outside` rows whose whole tags were left out. With too few rows the estimator is
    trusted throughout (`inside` is None); with too few tags, by rows left out at random (`outside`
    is None).
    """

    labels: Labels
    prior: State
    inside: HeldOutPredictions | None
    outside: HeldOutPredictions | None

    def states(self) -> dict[str, State]:
        """Return the states by name: the prior, and the curve of trust."""
        everything = np.ones(len(self.labels.queries), dtype=bool)
        knots, weights = self.curve(everything)
        return {"prior": self.prior, "curve": State({"p_value": knots, "weight": weights})}

    def curve(self, some: NDArray[np.bool_]) -> Curve:
        """Return the curve of trust, from those of some rows that have all outcomes."""
        quality = self.labels.quality
        rows = some & ~np.isnan(quality).any(1)
        if self.inside is None or not rows.any():
            return np.array([0.0]), np.array([1.0])
        if self.outside is None:
            return least_squares(quality, rows, [(self.inside, 1.0)])
        curves = [
            _from_zero(least_squares(quality, rows, [(self.inside, 1.0), (self.outside, times)]))
            for times in EMPHASES
        ]
        curves.append(_only_usual(curves[-1]))
        floor = max(
            merit(self.outside.prior[rows], quality[rows]),
            length_merit(self.labels, rows),
        )
        merits = []
        for curve in curves:
            merits.append(merit(self.outside.shrunk(curve).mean[rows], quality[rows]))
            if merits[-1] >= floor:
                return curve
        return curves[int(np.argmax(merits))]

    def shrink(self, predictions: Predictions, view: HeldOutPredictions | None) -> Predictions:
        """Return shrunk predictions of left-out rows, each by a curve that did not see its fold."""
        if view is None:
            return predictions
        mean, spread = np.empty_like(predictions.mean), np.empty_like(predictions.spread)
        for fold in np.unique(view.folds):
            rows = view.folds == fold
            shrunk = view.shrunk(self.curve(~rows))
            mean[rows], spread[rows] = shrunk.mean[rows], shrunk.spread[rows]
        return Predictions(mean, spread, predictions.cost)


def fit_shrinkage(labels: Labels, inside: HeldOut, outside: HeldOut | None, seed: int) -> Shrinkage:
    """Weigh a prior on left-out rows, and set it beside the estimator's predictions of these."""
    quality = labels.quality
    complete: NDArray[np.bool_] = np.asarray(~np.isnan(quality).any(1))
    if complete.sum() < FEW_ROWS:
        return Shrinkage(labels, constant_state(quality), None, None)
    values = shapes(labels.asked)
    views = [inside, *([outside] if outside else [])]
    candidates = [held_out_candidates(values, quality, each.splits, seed) for each in views]
    whole, plain = weigh_candidates(labels, candidates[-1], complete)
    prior = Candidates.of(values, quality, seed).state(whole, plain)
    beside = [
        HeldOutPredictions(
            view.predictions,
            between(plain.mix(each), whole.mix(each), view.p_values),
            view.p_values,
            _folds(view.splits),
        )
        for view, each in zip(views, candidates, strict=True)
    ]
    return Shrinkage(labels, prior, beside[0], beside[1] if outside else None)


def least_squares(
    quality: Floats, rows: NDArray[np.bool_], views: Sequence[tuple[HeldOutPredictions, float]]
) -> Curve:
    """Return the knots and weights of a curve, with each view counted so many times.

    In each bin of p-values w = <m - p, y - p> / <m - p, m - p> is the least-squares weight of the
    estimator m against the prior p, of qualities less their mean over the choices; isotonic
    regression makes the weights rise.
    """
    at = np.concatenate([view.p_values[rows] for view, _ in views])
    times = np.concatenate([np.full(int(rows.sum()), each) for _, each in views])
    ahead = np.vstack([_centred(view.predictions.mean - view.prior)[rows] for view, _ in views])
    wanted = np.vstack([_centred(quality - view.prior)[rows] for view, _ in views])
    bins = int(np.clip(len(at) // ENOUGH, 1, BINS))
    edges = np.quantile(at, np.linspace(0, 1, bins + 1))
    inside = np.searchsorted(edges[1:-1], at, side="right")
    above = np.bincount(inside, times * (ahead * wanted).sum(1), minlength=bins)
    below = np.bincount(inside, times * (ahead**2).sum(1), minlength=bins)
    raw = np.clip(np.divide(above, below, out=np.ones(bins), where=below > 0), 0, 1)
    weights = sklearn.isotonic.isotonic_regression(raw, sample_weight=np.maximum(below, 1e-12))
    return (edges[:-1] + edges[1:]) / 2, weights


def _from_zero(curve: Curve) -> Curve:
    """Return a curve that leaves what resembles nothing to the prior."""
    knots, weights = curve
    return np.concatenate([[0.0], knots]), np.concatenate([[0.0], weights])


def _only_usual(curve: Curve) -> Curve:
    """Return a curve that leaves all but usual queries to the prior."""
    knots, weights = curve
    return knots, np.where(knots > USUAL, weights, 0.0)


def _folds(splits: Sequence[Split]) -> NDArray[np.intp]:
    folds = np.zeros(sum(len(rows) for _, rows in splits), dtype=np.intp)
    for fold, (_, rows) in enumerate(splits):
        folds[rows] = fold
    return folds


def _centred(values: Floats) -> Floats:
    out: Floats = values - values.mean(1, keepdims=True)
    return out

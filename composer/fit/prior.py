"""The prior of a guard: simple models, weighed by how well each does on rows that were left out.

The candidates are the mean qualities, a line over the length, a linear model of the shape, and a
forest over the shape. Non-negative least squares on left-out predictions weigh them (stacking). As
tags are few, half of the spread then goes to the length. A prior that does worse on left-out rows
than the length alone, or than no look at the query, is replaced by the better one of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.fit.validation import length_merit, merit
from composer.heavy import np, scipy, sklearn
from composer.methods.estimators.prior import TREES, standardised
from composer.methods.estimators.shapes import shapes
from composer.methods.estimators.trees import tree_state
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import Ridge

    from composer.methods.estimators.folds import Split
    from composer.methods.estimators.values import Floats, Labels

CONSTANT, LENGTH, SHAPE, FOREST = range(4)

PENALTY = 1000.0
"""The penalty of the linear model of the shape."""

TREE_COUNT, LEAF, DEPTH, SHARE = 30, 50, 8, 1 / 3
"""Trees of the forest, rows in a leaf, splits on a way, numbers of the shape a split chooses of."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """The candidates, fitted to shapes [n, 18] and qualities [n, m]."""

    location: Floats
    scale: Floats
    means: Floats
    length: Ridge
    shape: Ridge
    forest: RandomForestRegressor

    @classmethod
    def of(cls, values: Floats, quality: Floats, seed: int) -> Candidates:
        """Fit them; a missing outcome is replaced by the mean of its choice."""
        location, scale = values.mean(0), values.std(0)
        scale = scale + (scale == 0)
        means = np.nanmean(quality, 0)
        outcomes = np.where(np.isnan(quality), means, quality)
        values = standardised(values, location, scale)
        linear = sklearn.linear_model
        forest = sklearn.ensemble.RandomForestRegressor(
            TREE_COUNT,
            min_samples_leaf=LEAF,
            max_depth=DEPTH,
            max_features=SHARE,
            random_state=seed,
        )
        return cls(
            location,
            scale,
            means,
            linear.Ridge().fit(values[:, :1], outcomes),
            linear.Ridge(alpha=PENALTY).fit(values, outcomes),
            forest.fit(values, outcomes),
        )

    def predict(self, values: Floats) -> Floats:
        """Return the qualities [4, n, m] that each candidate predicts."""
        values = standardised(values, self.location, self.scale)
        constant = np.broadcast_to(self.means, (len(values), len(self.means)))
        models = (self.length.predict(values[:, :1]), self.shape.predict(values))
        return np.stack([constant, *models, self.forest.predict(values)])

    def state(self, whole: PriorWeights, plain: PriorWeights) -> State:
        """Return the weighted sums of the candidates as linear models, and one forest."""
        line = {
            "slopes": plain.of(self.length.coef_.T, LENGTH),
            "level": plain.offset
            + plain.of(self.means, CONSTANT)
            + plain.of(self.length.intercept_, LENGTH),
        }
        return State.join(plain=State(line), **self._whole(whole))

    def _whole(self, weights: PriorWeights) -> dict[str, State]:
        slopes = weights.of(self.shape.coef_.T, SHAPE)
        slopes[:1] += weights.of(self.length.coef_.T, LENGTH)
        levels = [self.means, self.length.intercept_, self.shape.intercept_]
        level = weights.offset + sum(weights.of(each, at) for at, each in enumerate(levels))
        linear = State(
            {"location": self.location, "scale": self.scale, "slopes": slopes, "level": level}
        )
        if not weights.uses(FOREST):
            return {"linear": linear}
        trees = tree_state(self.forest.estimators_)
        value = weights.of(trees.arrays["value"], FOREST).astype(np.float32)
        return {"linear": linear, TREES: State({**trees.arrays, "value": value})}


@dataclass(frozen=True, eq=False)
class PriorWeights:
    """The weight of each candidate [4], for what sets the choices apart and for their mean level.

    `offset` [m] is added.
    """

    apart: Floats
    level: Floats
    offset: Floats

    def of(self, quality: Floats, at: int) -> Floats:
        """Return what a candidate contributes by its qualities [..., m]."""
        level = quality.mean(-1, keepdims=True)
        out: Floats = self.apart[at] * (quality - level) + self.level[at] * level
        return out

    def uses(self, at: int) -> bool:
        """Whether a candidate has any weight."""
        return bool(self.apart[at] or self.level[at])

    def mix(self, candidates: Floats) -> Floats:
        """Return the prior's qualities [n, m] by those of the candidates [4, n, m]."""
        out: Floats = self.offset + sum(self.of(each, at) for at, each in enumerate(candidates))
        return out


def held_out_candidates(
    values: Floats, quality: Floats, splits: Sequence[Split], seed: int
) -> Floats:
    """Return what candidates predict [4, n, m] for rows that they were not fitted to."""
    out = np.zeros((4, *quality.shape))
    for training, rows in splits:
        out[:, rows] = Candidates.of(values[training], quality[training], seed).predict(
            values[rows]
        )
    return out


def constant_state(quality: Floats) -> State:
    """Return the state of a prior that looks at no query: the mean qualities."""
    count = shapes([("", ())]).shape[1]
    slopes = np.zeros((count, quality.shape[1]))
    level = np.nanmean(quality, 0)
    linear = {"location": np.zeros(count), "scale": np.ones(count), "slopes": slopes}
    plain = {"slopes": slopes[:1], "level": level}
    return State.join(plain=State(plain), linear=State({**linear, "level": level}))


def weigh_candidates(
    labels: Labels, predictions: Floats, rows: NDArray[np.bool_]
) -> tuple[PriorWeights, PriorWeights]:
    """Weigh the candidates by left-out predictions [4, n, m] of those rows with all outcomes.

    Returns the whole prior, and the plain one: the length or the mean qualities alone.
    """
    candidates, quality = predictions[:, rows], labels.quality[rows]
    choices = quality.shape[1]
    apart = candidates - candidates.mean(2, keepdims=True)
    wanted = quality - quality.mean(1, keepdims=True)
    weights, _ = scipy.optimize.nnls(apart.reshape(len(apart), -1).T, wanted.ravel())
    level = np.array([0, 1, 1, 1]) / 3 if weights[FOREST] else np.array([0, 0.5, 0.5, 0])
    stack = PriorWeights(weights, level, np.zeros(choices))
    plain = [_length_as_wide(stack, apart), _alone(CONSTANT, choices)]
    merits = [merit(each.mix(candidates), quality) for each in plain]
    floor = max(*merits, length_merit(labels, rows))
    best = plain[merits.index(max(merits))]
    for each in (_halves(stack, plain[0]), stack):
        if merit(each.mix(candidates), quality) >= floor:
            return each, best
    return best, best


def _length_as_wide(stack: PriorWeights, apart: Floats) -> PriorWeights:
    """Return the length alone, with the mean and the spread over the rows that a stack has."""
    ours, length = np.tensordot(stack.apart, apart, 1), apart[LENGTH]
    spread = (length - length.mean(0)).std()
    ratio = (ours - ours.mean(0)).std() / spread if spread > 0 else 0.0
    one = np.eye(4)[LENGTH]
    return PriorWeights(ratio * one, one, ours.mean(0) - ratio * length.mean(0))


def _halves(one: PriorWeights, other: PriorWeights) -> PriorWeights:
    """Return the mean of two priors, at the level of the first."""
    return PriorWeights((one.apart + other.apart) / 2, one.level, (one.offset + other.offset) / 2)


def _alone(at: int, choices: int) -> PriorWeights:
    one = np.eye(4)[at]
    return PriorWeights(one, one, np.zeros(choices))

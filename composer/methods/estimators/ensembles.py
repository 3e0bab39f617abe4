"""Estimators made of many: a forest of random trees, and the mean of other estimators."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, model_validator

from composer.heavy import np, sklearn
from composer.methods.estimators.base import Learned
from composer.methods.estimators.features import Features, Tfidf
from composer.methods.estimators.latent import Latent
from composer.methods.estimators.learned import Featured, Knn, Linear
from composer.methods.estimators.shapes import Shape
from composer.methods.estimators.trees import leaves, tree_state
from composer.methods.estimators.values import Predictions
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from composer.methods.estimators.features import Vectors
    from composer.methods.estimators.values import Asked, Floats, Labels
    from composer.values import Typed


class Forest(Featured):
    """Extremely randomized trees over few features: the mean label of the rows in a leaf.

    `trees` trees are grown to leaves of at least `leaf` rows. Each split is the best of random
    thresholds for a random `share` of the features. The standard deviation is that between trees. A
    missing outcome is replaced by the mean of its choice.
    """

    name: ClassVar[str] = "forest"
    paper: ClassVar[str] = "doi:10.1007/s10994-006-6226-1"

    features: Features | tuple[Features, ...] = (Latent(of=Tfidf(), dims=64), Shape())
    trees: int = Field(default=100, ge=1)
    leaf: int = Field(default=5, ge=1)
    share: float = Field(default=0.5, gt=0, le=1)

    def fit(self, labels: Labels, seed: int) -> State:
        """Grow the trees and keep them as arrays, one tree after the other."""
        features, vectors = self.embed(labels.asked)
        means = np.nanmean(labels.quality, 0)
        filled = np.where(np.isnan(labels.quality), means, labels.quality)
        model = sklearn.ensemble.ExtraTreesRegressor(
            self.trees, min_samples_leaf=self.leaf, max_features=self.share, random_state=seed
        )
        model.fit(_dense(vectors), filled)
        return State.join(features=features, trees=tree_state(model.estimators_))

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Let every query fall through all trees."""
        trees = state.part("trees")
        vectors = _dense(self.vectors(state.part("features"), queries))
        values = leaves(trees, vectors)
        return Predictions(values.mean(1).astype(float), values.std(1).astype(float))


class Mix(Learned):
    """The weighted mean of other estimators, equal weights if none are given.

    Estimators with different errors are better together than the best of them. The standard
    deviation is that of the mean with independent errors: sqrt(sum w^2 s^2).
    """

    name: ClassVar[str] = "mix"
    paper: ClassVar[str] = "arXiv:0911.0460"

    of: tuple[Learned, ...] = (Linear(), Knn(k=100))
    weights: tuple[float, ...] = ()

    @model_validator(mode="after")
    def _match(self) -> Mix:
        if not self.of:
            raise ValueError("give at least one estimator")
        if self.weights and len(self.weights) != len(self.of):
            raise ValueError(f"give one weight for each of the {len(self.of)} estimators")
        if self.weights and (min(self.weights) < 0 or sum(self.weights) <= 0):
            raise ValueError("weights must be zero or more, and not all zero")
        return self

    def fit(self, labels: Labels, seed: int) -> State:
        """Fit each on all rows."""
        return State.join(**{f"{at}": each.fit(labels, seed) for at, each in enumerate(self.of)})

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return the weighted means."""
        predictions = [
            each.predict(state.part(f"{at}"), queries) for at, each in enumerate(self.of)
        ]
        weights = np.array(self.weights or (1.0,) * len(predictions))
        weights = weights / weights.sum()
        mean = sum(w * each.mean for w, each in zip(weights, predictions, strict=True))
        spread = sum((w * each.spread) ** 2 for w, each in zip(weights, predictions, strict=True))
        costs = [each.cost for each in predictions if each.cost is not None]
        cost = np.mean(costs, axis=0) if costs else None
        return Predictions(np.asarray(mean), np.sqrt(np.asarray(spread)), cost)

    def notes(self, state: State, write: Callable[[Typed], str]) -> Iterator[str]:
        """Yield the notes of each."""
        for at, each in enumerate(self.of):
            yield from each.notes(state.part(f"{at}"), write)


def _dense(vectors: Vectors) -> Floats:
    dense: Floats = np.ascontiguousarray(vectors.toarray(), dtype=np.float32)
    return dense

"""Clusters of queries, and how each choice did in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np, sklearn
from composer.methods.estimators.dense import Dense
from composer.methods.estimators.means import prior, shrunk
from composer.methods.estimators.values import Predictions
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from composer.methods.estimators.values import Asked, Floats, Labels


class Clusters(Dense):
    """Mean outcomes over the cluster of the query, of `count` clusters by k-means.

    The means are shrunk towards the overall mean of each choice, which counts as much as `weight`
    labels. The standard deviation is sqrt(p (1 - p) / (n + weight)).
    """

    name: ClassVar[str] = "clusters"
    paper: ClassVar[str] = "arXiv:2405.00467"

    count: int = Field(default=16, ge=1)
    weight: float = Field(default=5.0, ge=0)

    def fit(self, labels: Labels, seed: int) -> State:
        """Find the clusters and keep their means."""
        space, x = self.reduce(labels.asked, seed)
        centres = kmeans(x, self.count, seed)
        member = np.eye(len(centres))[nearest(centres, x)]
        overall = prior(labels.quality)
        means = shrunk(member, labels.quality, overall, self.weight)
        count = member.T @ ~np.isnan(labels.quality)
        chance = np.clip(means, 0, 1)
        spread = np.sqrt(chance * (1 - chance) / np.maximum(count + self.weight, 1))
        return State.join(
            space=space, clusters=State({"centres": centres, "means": means, "spread": spread})
        )

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return the means of each query's cluster."""
        arrays = state.part("clusters").arrays
        at = nearest(arrays["centres"], self.reduced(state.part("space"), queries))
        return Predictions(arrays["means"][at], arrays["spread"][at])


def kmeans(x: Floats, count: int, seed: int) -> Floats:
    """Return the centres [clusters, d] of vectors [n, d]; never more clusters than vectors."""
    different = len(np.unique(x, axis=0))
    model = sklearn.cluster.KMeans(min(count, different), n_init=3, random_state=seed).fit(x)
    return np.asarray(model.cluster_centers_, dtype=np.float32)


def nearest(centres: Floats, x: Floats) -> NDArray[np.intp]:
    """Return the index of the nearest centre of each vector, by Euclidean distance."""
    apart = (centres**2).sum(1) - 2 * x @ centres.T
    chosen: NDArray[np.intp] = apart.argmin(axis=1)
    return chosen

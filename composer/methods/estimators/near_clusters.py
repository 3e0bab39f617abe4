"""How choices rank in the clusters nearest to a query, by accuracy alone or against cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np
from composer.methods.estimators.clusters import kmeans, nearest
from composer.methods.estimators.costs import required_costs
from composer.methods.estimators.dense import Dense
from composer.methods.estimators.means import prior, shrunk
from composer.methods.estimators.values import Predictions
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.estimators.values import Asked, Floats, Labels

FIRST = 0.1
"""What is added to a rank, so that the best choice of a cluster counts ten times."""


class NearClusters(Dense):
    """Scores of the choices in the `nearest` clusters of a query, weighted by softmax(-beta d).

    d is the cosine distance from a cluster's centre, of `count` clusters by k-means over vectors of
    length 1. In a cluster a choice scores 1 / (rank + 0.1), where the most accurate has rank 0 (The
    Avengers, arXiv:2505.19797). With `accuracy` = a it scores a x accuracy, from 0 (the worst in
    the cluster) to 1, + (1 - a) x (1 - cost / that of the dearest) (Avengers-Pro). A mean is shrunk
    towards the choice's overall mean, which counts as much as `weight` labels.
    """

    name: ClassVar[str] = "near_clusters"
    paper: ClassVar[str] = "arXiv:2508.12631"

    count: int = Field(default=64, ge=1)
    nearest: int = Field(default=2, ge=1)
    beta: float = Field(default=6.0, ge=0)
    accuracy: float | None = Field(default=None, ge=0, le=1)
    weight: float = Field(default=0.0, ge=0)

    def fit(self, labels: Labels, seed: int) -> State:
        """Find the clusters, and the score of each choice in each."""
        space, x = self.reduce(labels.asked, seed)
        x = _unit(x)
        centres = kmeans(x, self.count, seed)
        member = np.eye(len(centres))[nearest(centres, x)]
        means = shrunk(member, labels.quality, prior(labels.quality), self.weight)
        if self.accuracy is None:
            scores = 1 / (_ranks(means) + FIRST)
        else:
            costs = required_costs(labels, self.name)
            paid = shrunk(member, costs, costs.mean(0), self.weight)
            low, high = means.min(1, keepdims=True), means.max(1, keepdims=True)
            spread = np.where(high > low, high - low, 1.0)
            dearest = paid.max(1, keepdims=True)
            cheap = 1 - paid / np.where(dearest > 0, dearest, 1.0)
            scores = self.accuracy * (means - low) / spread + (1 - self.accuracy) * cheap
        return State.join(
            space=space, clusters=State({"centres": _unit(centres), "scores": scores})
        )

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return the scores of the nearest clusters, weighted by how near each is."""
        arrays = state.part("clusters").arrays
        x = _unit(self.reduced(state.part("space"), queries))
        distance = 1 - x @ arrays["centres"].T
        near = np.argsort(distance, axis=1, kind="stable")[:, : self.nearest]
        weight = np.exp(-self.beta * np.take_along_axis(distance, near, axis=1))
        weight /= weight.sum(axis=1, keepdims=True)
        return Predictions.of(np.einsum("nk,nkm->nm", weight, arrays["scores"][near]))


def _ranks(means: Floats) -> Floats:
    """Return the rank of each choice in each cluster [clusters, m]; equal ones share the better."""
    ranks: Floats = (means[:, None, :] > means[:, :, None]).sum(2).astype(float)
    return ranks


def _unit(x: Floats) -> Floats:
    """Return vectors of length 1; those of length 0 stay."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    out: Floats = (x / np.where(length > 0, length, 1.0)).astype(np.float32)
    return out

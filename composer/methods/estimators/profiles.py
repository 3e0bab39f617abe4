"""Profiles of the choices: what each is worth on the tags that a query has, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np
from composer.methods.estimators.costs import required_costs
from composer.methods.estimators.learned import Featured, unit
from composer.methods.estimators.means import membership, prior, shrunk
from composer.methods.estimators.values import Predictions
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.estimators.values import Asked, Floats, Labels


class Profiles(Featured):
    """Profiles over ranked tags (InferenceDynamics): sum over j of (s_j - cost c_j) a^(j-1) / sum.

    s_j is the mean outcome of a choice on the query's j-th tag, c_j its mean cost there in dollars
    per thousand answers, and a = `decay` is the weight of each further tag. A query without tags
    gets the `ranked` most likely ones: those whose recorded queries are most similar to it on
    average. The means are shrunk towards the overall mean of the choice, which counts as `weight`
    labels; nothing else is fitted.
    """

    name: ClassVar[str] = "profiles"
    paper: ClassVar[str] = "arXiv:2505.16303"

    decay: float = Field(default=0.5, ge=0, le=1)
    ranked: int = Field(default=3, ge=1)
    cost: float = Field(default=0.0, ge=0)
    weight: float = Field(default=5.0, ge=0)

    def fit(self, labels: Labels, seed: int) -> State:
        """Keep each tag's profile and the mean vector of its queries."""
        del seed
        tags, member = membership(labels.tags)
        features, vectors = self.embed(labels.asked)
        overall, worth = prior(labels.quality), labels.quality
        means = shrunk(member, worth, overall, self.weight)
        if self.cost:
            costs = required_costs(labels, self.name)
            paid = costs.mean(0)
            spent = shrunk(member, costs, paid, self.weight)
            means, overall = means - self.cost * 1000 * spent, overall - self.cost * 1000 * paid
        centres = unit(vectors.T @ member).T if tags else np.zeros((0, vectors.shape[1]))
        arrays = {"overall": overall, "means": means, "centres": np.asarray(centres, np.float32)}
        return State.join(features=features, profiles=State(arrays, {"tags": list(tags)}))

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return the choices' profiles, weighted by the rank of the query's tags."""
        part = state.part("profiles")
        places = {tag: at for at, tag in enumerate(part.facts["tags"])}
        likely = self._likely(state, queries)
        overall, means = part.arrays["overall"], part.arrays["means"]
        out = np.empty((len(queries), len(overall)))
        for row, (_, tags) in enumerate(queries):
            ranks = [places[tag] for tag in tags if tag in places] or likely[row]
            weight = self.decay ** np.arange(len(ranks))
            out[row] = weight @ means[ranks] / weight.sum() if len(ranks) else overall
        return Predictions.of(out)

    def _likely(self, state: State, queries: Sequence[Asked]) -> list[list[int]]:
        """Return the most likely tags of each query; none where it has nothing in common."""
        vectors = self.vectors(state.part("features"), queries)
        close: Floats = vectors @ state.part("profiles").arrays["centres"].T
        order = np.argsort(-close, axis=1, kind="stable")[:, : self.ranked]
        return [[at for at in row if close[n, at] > 0] for n, row in enumerate(order)]

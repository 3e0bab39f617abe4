"""A complementary pool chosen from many: the few choices that together are right most often."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np
from composer.methods.estimators.base import Learned
from composer.methods.estimators.costs import required_costs
from composer.methods.estimators.learned import Linear
from composer.methods.estimators.values import Labels, Predictions
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.estimators.values import Asked, Floats


class Pool(Learned):
    """Another estimator over a complementary pool of `keep` choices (Routoo's universe).

    The pool is built greedily: each choice added is the one that most raises the mean, over the
    recorded queries, of the best outcome in the pool, less `cost` x its mean dollars per thousand
    answers. That mean is submodular, so the greedy pool reaches 1 - 1/e of the best one. Choices
    outside the pool are estimated 1 lower, so that they are not chosen.
    """

    name: ClassVar[str] = "pool"
    paper: ClassVar[str] = "arXiv:2401.13979"

    of: Learned = Linear()
    keep: int = Field(default=3, ge=1)
    cost: float = Field(default=0.0, ge=0)

    def fit(self, labels: Labels, seed: int) -> State:
        """Choose the pool, and fit the estimator to all choices."""
        chosen = complementary(labels, self.keep, self.cost)
        inside = np.isin(np.arange(len(labels.names)), chosen)
        facts = {"pool": [labels.names[at] for at in chosen]}
        return State.join(
            inner=self.of.fit(labels, seed), pool=State({"inside": inside.astype(np.uint8)}, facts)
        )

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return the inner estimates, those outside the pool lowered by 1."""
        found = self.of.predict(state.part("inner"), queries)
        outside = 1.0 - state.part("pool").arrays["inside"]
        return Predictions(found.mean - outside, found.spread, found.cost)


def complementary(labels: Labels, keep: int, cost: float) -> list[int]:
    """Return the columns of a greedy pool, in the order in which they joined it."""
    quality = np.nan_to_num(labels.quality)
    price = cost * 1000 * required_costs(labels, Pool.name).mean(0) if cost else 0.0
    best: Floats = np.zeros(len(quality))
    chosen: list[int] = []
    for _ in range(min(keep, quality.shape[1])):
        gain = np.maximum(quality, best[:, None]).mean(axis=0) - best.mean() - price
        gain[chosen] = -np.inf
        chosen.append(int(gain.argmax()))
        best = np.maximum(best, quality[:, chosen[-1]])
    return chosen

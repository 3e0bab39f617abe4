"""A pool of a few choices out of many, which together are right most often."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from composer.heavy import np
from composer.methods.estimators.base import Learned
from composer.methods.estimators.costs import required_costs
from composer.methods.estimators.learned import Linear
from composer.methods.estimators.pool_choices import (
    accurate,
    diverse,
    informative,
    right_or_wrong,
    weighted_accuracy,
)
from composer.methods.estimators.values import Labels, Predictions
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from composer.methods.estimators.values import Asked, Floats
    from composer.values import Typed


class Pool(Learned):
    """Another estimator over a pool of `keep` choices, which is chosen from the recorded outcomes.

    By `coverage` (Routoo's universe) it is built greedily: each choice added is the one that most
    raises the mean, over the recorded queries, of the best outcome in the pool, less `cost` x its
    mean dollars per thousand answers. That mean is submodular, so the greedy pool reaches 1 - 1/e
    of the best one. The others are pools for votes. By `information` (arXiv:2602.08003) each choice
    added most raises the mutual information of the right answer and those of the pool. By
    `diversity` (LLM-TOPLA, arXiv:2410.03953) the pool has the greatest focal diversity, less the
    part `accuracy`, which the accuracy of its majority vote has. By `accuracy` it is the best ones.
    Choices outside the pool are estimated 1 lower, so that they are not chosen.
    """

    name: ClassVar[str] = "pool"
    paper: ClassVar[str] = "arXiv:2401.13979"

    of: Learned = Linear()
    keep: int = Field(default=3, ge=1)
    cost: float = Field(default=0.0, ge=0)
    by: Literal["coverage", "information", "diversity", "accuracy"] = "coverage"
    accuracy: float = Field(default=0.5, ge=0, le=1)

    @model_validator(mode="after")
    def _cost_counts(self) -> Self:
        if self.cost and self.by != "coverage":
            raise ValueError("`cost` counts only in a pool by `coverage`")
        return self

    def fit(self, labels: Labels, seed: int) -> State:
        """Choose the pool, and fit the estimator to all choices."""
        chosen = self._chosen(labels)
        inside = np.isin(np.arange(len(labels.names)), chosen)
        facts = {
            "pool": [labels.names[at] for at in chosen],
            **self._vote_accuracies(labels, chosen),
        }
        return State.join(
            inner=self.of.fit(labels, seed), pool=State({"inside": inside.astype(np.uint8)}, facts)
        )

    def _chosen(self, labels: Labels) -> list[int]:
        """Return the columns of the pool."""
        match self.by:
            case "coverage":
                return complementary(labels, self.keep, self.cost)
            case "information":
                return informative(labels.quality, self.keep)
            case "diversity":
                return diverse(labels.quality, self.keep, self.accuracy)
            case "accuracy":
                return accurate(labels.quality, self.keep)

    def _vote_accuracies(self, labels: Labels, chosen: list[int]) -> dict[str, object]:
        """Return how a pool for votes does by the recorded outcomes, beside the most accurate."""
        if self.by in ("coverage", "accuracy"):
            return {}
        best = accurate(labels.quality, self.keep)
        right = right_or_wrong(labels.quality)
        votes = [weighted_accuracy(right[:, each]) for each in (chosen, best)]
        return {"most_accurate": [labels.names[at] for at in best], "weighted_votes": votes}

    def notes(self, state: State, write: Callable[[Typed], str]) -> Iterator[str]:
        """Yield which choices are in the pool, and how a weighted vote of them does."""
        facts = state.part("pool").facts
        yield f"the pool by {self.by} is {', '.join(facts['pool'])}"
        if votes := facts.get("weighted_votes"):
            ours, theirs = (f"{100 * vote:.1f}" for vote in votes)
            others = ", ".join(facts["most_accurate"])
            yield (
                f"a weighted vote of these would be right on {ours}% of the recorded rows, one of "
                f"the most accurate, {others}, on {theirs}%"
            )
        yield from self.of.notes(state.part("inner"), write)

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

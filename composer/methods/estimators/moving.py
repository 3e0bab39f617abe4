"""Moving averages of the outcomes on each kind of query, and a learned router for other queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np
from composer.methods.estimators.base import Learned, Online
from composer.methods.estimators.learned import Linear
from composer.methods.estimators.means import prior
from composer.methods.estimators.values import Predictions
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.estimators.values import Asked, Floats, Labels

_HALF = 0.5


class Ema(Online):
    """Exponential moving averages of each choice's outcomes on the query's tags (EMAFusion).

    Each outcome moves a slow average by the rate `slow` and a fast one by `fast`; the estimate is
    `share` x slow + (1 - `share`) x fast, the mean over the query's tags. Where the query has no
    known tag, or no choice reaches `least` there, `otherwise` estimates by the question's text. The
    averages follow the order of the rows, so the latest outcomes count most.
    """

    name: ClassVar[str] = "ema"
    paper: ClassVar[str] = "arXiv:2504.10681"

    slow: float = Field(default=0.02, gt=0, le=1)
    fast: float = Field(default=0.2, gt=0, le=1)
    share: float = Field(default=0.5, ge=0, le=1)
    least: float = Field(default=0.6, ge=0, le=1)
    otherwise: Learned = Linear()

    def start(self, names: tuple[str, ...], seed: int) -> State:
        """Return averages of 1/2, and nothing of any tag."""
        del seed
        averages = np.full((1, len(names)), _HALF)
        return State({"slow": averages, "fast": averages.copy()}, {"tags": []})

    def fit(self, labels: Labels, seed: int) -> State:
        """Go through all rows in their order, and fit what estimates otherwise."""
        overall = prior(labels.quality)
        tags = list(dict.fromkeys(tag for row in labels.tags for tag in row))
        slow = np.tile(overall, (len(tags) + 1, 1))
        fast = slow.copy()
        for row, outcomes in zip(labels.tags, labels.quality, strict=True):
            for place in (0, *(1 + tags.index(tag) for tag in row)):
                slow[place] += self.slow * np.nan_to_num(outcomes - slow[place])
                fast[place] += self.fast * np.nan_to_num(outcomes - fast[place])
        router = self.otherwise.fit(labels, seed)
        arrays = {"slow": slow, "fast": fast}
        arrays |= {f"router.{name}": array for name, array in router.arrays.items()}
        return State(arrays, {"tags": tags, "router": dict(router.facts)})

    def predict(self, state: State, queries: Sequence[Asked]) -> Predictions:
        """Return the averages over each query's tags, else what the router says."""
        averages = self.share * state.arrays["slow"] + (1 - self.share) * state.arrays["fast"]
        places = {tag: 1 + at for at, tag in enumerate(state.facts["tags"])}
        rows = [[places[tag] for tag in tags if tag in places] for _, tags in queries]
        mean: Floats = np.array([averages[row or [0]].mean(0) for row in rows])
        mean = mean.reshape(len(queries), averages.shape[1])
        unsure = [
            at for at, row in enumerate(rows) if not row or float(mean[at].max()) < self.least
        ]
        if unsure and "router" in state.facts:
            texts = [queries[at] for at in unsure]
            mean[unsure] = self.otherwise.predict(state.part("router"), texts).mean
        return Predictions.of(mean)

    def update(self, state: State, asked: Asked, choice: int, reward: float) -> State:
        """Move the averages of one choice; a tag that is new begins with those of all queries."""
        tags = list(state.facts["tags"])
        new = [tag for tag in asked[1] if tag not in tags]
        tags += new
        arrays = dict(state.arrays)
        for name, rate in (("slow", self.slow), ("fast", self.fast)):
            averages = np.vstack([arrays[name], *([arrays[name][:1]] * len(new))])
            for place in (0, *(1 + tags.index(tag) for tag in asked[1])):
                averages[place, choice] += rate * (reward - averages[place, choice])
            arrays[name] = averages
        return State(arrays, {**state.facts, "tags": tags})

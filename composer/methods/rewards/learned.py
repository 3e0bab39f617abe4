"""A small model of steps that `compose fit` trains on what their writers say of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.heavy import np, sklearn
from composer.methods.fitted import FittedPart, shaped
from composer.methods.rewards.base import StepReward
from composer.methods.rewards.perplexity import step_scores
from composer.values import State
from composer.values.capability import Capability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.estimators.values import Floats
    from composer.methods.rewards.base import PartialAnswer, Partials
    from composer.values import Asker, Score

__all__ = ["StepHead", "step_features"]

FEATURES = (
    *("mean", "worst_writer", "spread", "rarest", "rarest_of_all"),
    *("tokens", "letters", "place", "over", "repeated"),
)
"""What is known of a step, in the order of `step_features`."""

LOWEST = -30.0
"""Log-probabilities below it count as it, so that none is infinite."""


class StepHead(StepReward, FittedPart):
    """How likely a step leads to the right answer, by a logistic model of what its writers say.

    Its features are the log-probabilities of the last step under all writers (their mean, that of
    the writer who finds it least likely, how far the writers differ, the rarest token), its length
    and its place, whether it ends the answer and whether it stood there before. `compose fit` needs
    questions with references only: partial answers are written at random, and a step is as good as
    the share of `draws` continuations of each writer that are right (Math-Shepherd). `c` is the
    inverse strength of the regularization.
    """

    name: ClassVar[str] = "step_reward"
    paper: ClassVar[str] = "arXiv:2312.08935"
    of_writers: ClassVar[Capability] = Capability.SCORE

    draws: int = Field(default=2, ge=1)
    c: float = Field(default=1.0, gt=0)

    async def rewards(self, partials: Partials, ask: Asker) -> Sequence[float]:
        """Let every writer score every last step, and return the probabilities of the model."""
        rows = await step_scores(partials, ask)
        features = [step_features(*each) for each in zip(partials.answers, rows, strict=True)]
        return await ask.compute(lambda: self.probabilities(self.state(), features).tolist())

    def fit(self, features: Sequence[Sequence[float]], shares: Sequence[float]) -> State:
        """Fit the model to steps whose continuations are right in these shares.

        Raises ValueError where all of them are right, or none.
        """
        table, right = np.asarray(features), np.asarray(shares, dtype=float)
        mean, scale = table.mean(0), table.std(0)
        scale[scale == 0] = 1
        rows = np.concatenate([(table - mean) / scale] * 2)
        labels = np.repeat([1, 0], len(table))
        model = sklearn.linear_model.LogisticRegression(C=self.c, max_iter=1000)
        model.fit(rows, labels, np.concatenate([right, 1 - right]))
        arrays = {"mean": mean, "scale": scale, "weights": model.coef_[0], "bias": model.intercept_}
        facts = {"part": self.name, "features": list(FEATURES)}
        return State({name: each.astype(np.float32) for name, each in arrays.items()}, facts)

    def probabilities(self, state: State, features: Sequence[Sequence[float]]) -> Floats:
        """Return how likely steps with these features are good."""
        count = len(FEATURES)
        mean, scale, weights = (shaped(state, name, count) for name in ("mean", "scale", "weights"))
        logits = (np.asarray(features) - mean) / scale @ weights + shaped(state, "bias", 1)
        probabilities: Floats = 1 / (1 + np.exp(-np.clip(logits, LOWEST, -LOWEST)))
        return probabilities


def step_features(partial: PartialAnswer, scores: Sequence[Score]) -> list[float]:
    """Return the features of the last step of a partial answer, scored by each writer."""
    step, before = partial.steps[-1], partial.steps[:-1]
    means = [max(score.mean, LOWEST) for score in scores]
    rarest = [max(min(score.logprobs, default=0.0), LOWEST) for score in scores]
    return [
        math.fsum(means) / len(means),
        min(means),
        max(means) - min(means),
        math.fsum(rarest) / len(rarest),
        min(rarest),
        math.log1p(max(len(score.tokens) for score in scores)),
        math.log1p(len(step)),
        float(len(partial.steps)),
        float(partial.over),
        float(step.strip() in {each.strip() for each in before}),
    ]

"""The reward of a step that its writers find likely."""

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

from composer.methods.rewards.base import Partials, StepReward
from composer.values import Asker, Score, ScoreTexts
from composer.values.capability import Capability

__all__ = ["StepPerplexity", "step_scores"]


class StepPerplexity(StepReward):
    """How likely all writers find the last step that has any text, behind the steps before it.

    PPL = exp(-(1/T) sum log p) of the T tokens that a writer cuts the step into. The reward is the
    mean over the writers of 1 / PPL, from 0 to 1 (`inverse`), or minus their mean PPL (`minus`).
    """

    name: ClassVar[str] = "perplexity"
    paper: ClassVar[str] = "arXiv:2407.19807"
    of_writers: ClassVar[Capability] = Capability.SCORE

    scale: Literal["inverse", "minus"] = "inverse"

    async def rewards(self, partials: Partials, ask: Asker) -> Sequence[float]:
        """Let every writer score every last step, all at once."""
        rows = await step_scores(partials, ask)
        return [
            self._reward([score.mean for score in row]) if partial.text else math.nan
            for partial, row in zip(partials.answers, rows, strict=True)
        ]

    def _reward(self, means: Sequence[float]) -> float:
        """Return the reward of a step with these mean log-probabilities, one a writer."""
        sign = 1 if self.scale == "inverse" else -1
        each = [sign * math.exp(min(sign * mean, 700.0)) for mean in means]
        return math.fsum(each) / len(each)


async def step_scores(partials: Partials, ask: Asker) -> list[list[Score]]:
    """Return the scores of the last step with text of each partial answer, one a writer."""
    last = [next(filter(None, reversed(each.steps)), "") for each in partials.answers]
    requests = [
        ScoreTexts(writer, partials.query, (step,), prefix=each.text.removesuffix(step))
        for each, step in zip(partials.answers, last, strict=True)
        for writer in partials.writers
    ]
    scores = [score for (score,) in await ask.many(requests)]
    count = len(partials.writers)
    return [scores[start : start + count] for start in range(0, len(scores), count)]

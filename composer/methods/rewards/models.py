"""The reward that a reward model gives a partial answer."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from composer.methods.rewards.base import Partials, StepReward
from composer.values import Asker, Model
from composer.values.capability import Capability

__all__ = ["RewardedSteps"]


class RewardedSteps(StepReward):
    """The reward that a reward model gives the text so far: `rewarded(R)`, where R is the model."""

    name: ClassVar[str] = "rewarded"
    paper: ClassVar[str] = "arXiv:2305.20050"

    by: Annotated[Model, Capability.REWARD]

    async def rewards(self, partials: Partials, ask: Asker) -> Sequence[float]:
        """Ask about all partial answers at once."""
        texts = [each.text for each in partials.answers]
        return await ask.reward(self.by, partials.query, texts)

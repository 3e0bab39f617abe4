"""The reward that a reward model gives a partial answer."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from composer.methods.rewards.base import PartialAnswer, StepReward
from composer.values import Asker, Model, Query
from composer.values.capability import Capability

__all__ = ["RewardedSteps"]


class RewardedSteps(StepReward):
    """The reward that a reward model gives the text so far: `rewarded(R)`, where R is the model."""

    name: ClassVar[str] = "rewarded"
    paper: ClassVar[str] = "arXiv:2305.20050"

    by: Annotated[Model, Capability.REWARD]

    async def rewards(
        self,
        query: Query,
        partials: Sequence[PartialAnswer],
        writers: Sequence[Model],
        ask: Asker,
    ) -> Sequence[float]:
        """Ask about all partial answers at once."""
        del writers
        return await ask.reward(self.by, query, [partial.text for partial in partials])

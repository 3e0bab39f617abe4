"""The kind of parts that say how good partial answers are, and what a partial answer is."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from composer.values.capability import Capability
from composer.values.typed import Typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.values.asker import Asker
    from composer.values.flow import Model, Query

__all__ = ["PartialAnswer", "Partials", "StepReward"]


@dataclass(frozen=True, slots=True)
class PartialAnswer:
    """An answer as far as it is written, step by step.

    `by` is the name of the model that wrote the last step, and `confidence` what that model says of
    it. `over` says that this step has ended the answer.
    """

    steps: tuple[str, ...] = ()
    by: str = ""
    confidence: float | None = None
    over: bool = False

    @property
    def text(self) -> str:
        """All steps, each with the boundary that ends it."""
        return "".join(self.steps)


@dataclass(frozen=True, slots=True)
class Partials:
    """Partial answers to one query, and the models that write them."""

    query: Query
    answers: Sequence[PartialAnswer]
    writers: Sequence[Model]


class StepReward(Typed):
    """How good partial answers are; greater is better.

    `of_writers` is what each writer of the step must be able to do for it. `if_none` is what to try
    where no step has a reward.
    """

    of_writers: ClassVar[Capability] = Capability(0)
    if_none: ClassVar[str] = "try `dtype = float32` for the model that rewards"

    @abstractmethod
    async def rewards(self, partials: Partials, ask: Asker) -> Sequence[float]:
        """Return the reward of each partial answer; NaN where there is none.

        A partial answer without a reward is not continued, and is never the answer.
        """

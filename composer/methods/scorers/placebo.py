"""A placebo for scores: the same numbers, dealt to the candidates at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from composer.methods.scorers.basic import Consensus, Scorer

if TYPE_CHECKING:
    from composer.values import Asker, Candidates, Model


class Placebo(Scorer):
    """The scores of another way to score, dealt to the candidates at random.

    What a recipe gains by scores it must gain over this too: otherwise the gain is not due to them.
    """

    name: ClassVar[str] = "placebo"

    of: Scorer = Consensus()

    @property
    def of_writers(self) -> frozenset[str]:
        """What the scores need."""
        return self.of.of_writers

    @property
    def of_judges(self) -> frozenset[str] | None:
        """What the scores need of models that are asked."""
        return self.of.of_judges

    @property
    def asker(self) -> str:
        """The score that asks models."""
        return self.of.asker

    def calls(self, answers: int) -> int:
        """As often as the scores ask."""
        return self.of.calls(answers)

    async def score(
        self, answers: Candidates, ask: Asker, judges: tuple[Model, ...]
    ) -> tuple[float, ...]:
        """Return the scores in a random order, which follows from the run's seed."""
        scores = list(await self.of.score(answers, ask, judges))
        ask.rng.shuffle(scores)
        return tuple(scores)

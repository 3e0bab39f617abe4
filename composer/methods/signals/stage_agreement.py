"""`stage_agreement`: how much the earlier answers of a cascade agree with the latest one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from composer.methods.agreements.base import Agreement, Exact
from composer.methods.signals.base import SHARE, Signal
from composer.values import Text

if TYPE_CHECKING:
    from composer.methods.cascade_state import CascadeState
    from composer.values import Asker, Candidates


class StageAgreement(Signal):
    """How much the latest answer agrees with those of the earlier stages, on average.

    `by` compares two answers: by value, or by meaning where they are free text. The first answer of
    a cascade has nothing to agree with, so the signal is unknown and the next stage is asked. An
    answer that abstains has 0.
    """

    name: ClassVar[str] = "stage_agreement"
    limits: ClassVar[tuple[float, float]] = SHARE
    reads_earlier: ClassVar[bool] = True

    by: Agreement = Exact()

    def measure(self, answer: Text | Candidates) -> float | None:
        """Return 0 for an answer that abstains; of any other one alone nothing is known."""
        return 0.0 if isinstance(answer, Text) and answer.answer is None else None

    async def in_cascade(self, state: CascadeState, ask: Asker) -> float | None:
        """Compare the latest answer with each one that came before it."""
        answers = [each.text.answer for each in state.answers.values()]
        if len(answers) < 2:  # noqa: PLR2004 - an answer, and one before it
            return None
        *earlier, latest = answers
        comparisons = [
            await self.by.compare((latest, other), state.query, ask)
            for other in earlier
            if latest is not None and other is not None
        ]
        return sum(each.same(0, 1) for each in comparisons) / len(earlier)

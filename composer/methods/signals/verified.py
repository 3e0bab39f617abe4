"""`verified`: a model is asked whether the answer is right."""

import math
from typing import Annotated, ClassVar

from composer.methods.signals.base import Signal
from composer.methods.template import Template
from composer.methods.templates import TEMPLATES
from composer.values import Asker, Candidates, Model, ScoreTexts, Text
from composer.values.capability import Capability


class Verified(Signal):
    """The probability that a model says yes when it is asked whether the answer is right.

    `by` reads the `template` with the question and the answer. The probability that it gives to the
    reply `yes` is compared with that of `no`. Nothing is sampled.
    """

    name: ClassVar[str] = "verified"
    paper: ClassVar[str] = "arXiv:2310.12963"
    limits: ClassVar[tuple[float, float]] = (0.0, 1.0)

    by: Annotated[Model, Capability.SCORE]
    template: Template = TEMPLATES["verify"]
    yes: str = "yes"
    no: str = "no"

    async def value(self, answer: Text | Candidates, ask: Asker) -> float | None:
        """Return p(yes) / (p(yes) + p(no)), None where the model can say neither."""
        query = self.template.query(answer)
        yes, no = await ask.ask(ScoreTexts(self.by, query, (self.yes, self.no)))
        odds = yes.total - no.total
        return None if math.isnan(odds) else 0.5 + 0.5 * math.tanh(odds / 2)

"""`judged` and `rewarded`: another model says how good the answer is."""

from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, ClassVar

from pydantic import Field

from composer.methods.scorers.judging import grades_in
from composer.methods.signals.base import SHARE, Signal
from composer.methods.template import Template
from composer.methods.templates import TEMPLATES
from composer.values import Asker, Candidates, Model, Sampling, Text
from composer.values.capability import Capability


class Judged(Signal):
    """The grade that a model gives the answer, from 0 (worthless) to 1: `judged(by = J)`.

    It reads the `template`, which may use `fields.scale`, and ends its reply with a grade from 1 to
    `scale` in double brackets, such as [[7]]; the value is (grade - 1) / (scale - 1). A reply
    without such a grade, and an answer that abstains, have no value.
    """

    name: ClassVar[str] = "judged"
    paper: ClassVar[str] = "arXiv:2306.05685"
    limits: ClassVar[tuple[float, float]] = SHARE

    by: Annotated[Model, Capability.TEXT]
    template: Template = TEMPLATES["judge_score"]
    scale: int = Field(default=10, ge=2)
    max_tokens: int = Field(default=256, ge=1)

    async def value(self, answer: Text | Candidates, ask: Asker) -> float | None:
        """Ask the judge once."""
        if not isinstance(answer, Text) or answer.answer is None:
            return None
        root = answer.query.root
        fields = MappingProxyType({**root.fields, "scale": self.scale})
        shown = replace(answer, query=replace(root, fields=fields))
        query = answer.query.asking(self.template.render(shown), shown)
        reply = await ask.generate(self.by, query, Sampling(max_tokens=self.max_tokens))
        grades = grades_in(reply.text, 1, self.scale)
        grade = grades[0] if grades else None
        if grade is None:
            ask.note(unread_verdicts=1)
            return None
        return (grade - 1) / (self.scale - 1)


class RewardedSignal(Signal):
    """The reward that a reward model gives the answer: `rewarded(by = R)`."""

    name: ClassVar[str] = "rewarded"
    paper: ClassVar[str] = "arXiv:2112.09332"

    by: Annotated[Model, Capability.REWARD]

    async def value(self, answer: Text | Candidates, ask: Asker) -> float | None:
        """Ask the reward model once; an answer that abstains has no value."""
        if not isinstance(answer, Text) or answer.answer is None:
            return None
        (reward,) = await ask.reward(self.by, answer.query, [answer.text])
        return reward

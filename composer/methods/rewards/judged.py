"""Rewards of steps by a model that is asked about them: for a grade, or for yes or no."""

import math
from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, ClassVar

from pydantic import Field

from composer.methods.rewards.base import Partials, StepReward
from composer.methods.scorers.judging import grades_in
from composer.methods.template import Template
from composer.methods.templates import TEMPLATES
from composer.values import Asker, Model, Query, Sampling, ScoreTexts, Text
from composer.values.capability import Capability
from composer.values.gather import side_by_side

__all__ = ["Affirmed", "Judged"]


class Judged(StepReward):
    """The grade that a model gives the answer so far, from 0 to 1: `judged(by = J)`.

    It reads the `template`, which may use `fields.scale`, and ends its reply with a grade from 1 to
    `scale` in double brackets, such as [[7]]; the reward is (grade - 1) / (scale - 1). A reply
    without such a grade gives no reward.
    """

    name: ClassVar[str] = "judged"
    paper: ClassVar[str] = "arXiv:2305.10601"
    if_none: ClassVar[str] = "its replies must have a grade such as [[7]]: ask another judge"

    by: Annotated[Model, Capability.TEXT]
    template: Template = TEMPLATES["judge_step"]
    scale: int = Field(default=10, ge=2)
    max_tokens: int = Field(default=256, ge=1)

    async def rewards(self, partials: Partials, ask: Asker) -> Sequence[float]:
        """Ask about all partial answers at once."""
        how = Sampling(max_tokens=self.max_tokens)
        questions = asked(partials, self.template, scale=self.scale)
        work = (ask.generate(self.by, each, how, draft=True) for each in questions)
        replies = await side_by_side(work)
        grades = [grades_in(reply.text, 1, self.scale) for reply in replies]
        unread = sum(grade is None for grade in grades)
        if unread:
            ask.note(unread_verdicts=unread)
        return [self._reward(None if each is None else each[0]) for each in grades]

    def _reward(self, grade: float | None) -> float:
        return math.nan if grade is None else (grade - 1) / (self.scale - 1)


class Affirmed(StepReward):
    """How much likelier a model says yes than no to the last step: `affirmed(by = J)`.

    It reads the `template`, and scores `yes` and `no` as its answers. The reward is p(yes) /
    (p(yes) + p(no)), so the model writes nothing.
    """

    name: ClassVar[str] = "affirmed"
    paper: ClassVar[str] = "arXiv:2207.05221"

    by: Annotated[Model, Capability.SCORE]
    template: Template = TEMPLATES["affirm_step"]
    yes: str = Field(default="Yes", min_length=1)
    no: str = Field(default="No", min_length=1)

    async def rewards(self, partials: Partials, ask: Asker) -> Sequence[float]:
        """Score both answers to all questions at once."""
        words = (self.yes, self.no)
        questions = asked(partials, self.template)
        requests = [ScoreTexts(self.by, each, words) for each in questions]
        scores = await ask.many(requests)
        return [_share(yes.total, no.total) for yes, no in scores]


def asked(partials: Partials, template: Template, **fields: object) -> list[Query]:
    """Return the questions by which a model is asked about partial answers."""
    query, root = partials.query, partials.query.root
    shown = replace(root, fields=MappingProxyType({**root.fields, **fields}))
    texts = [Text(shown, each.text.strip(), each.by) for each in partials.answers]
    return [query.asking(template.render(text), text) for text in texts]


def _share(one: float, other: float) -> float:
    """Return e^one / (e^one + e^other), NaN where neither can be."""
    gap = other - one
    return math.nan if math.isnan(gap) else 1 / (1 + math.exp(min(gap, 700.0)))

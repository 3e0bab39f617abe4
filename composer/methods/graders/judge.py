"""A grader that lets another recipe judge: a model, or any ensemble of models."""

import re
from statistics import fmean
from typing import ClassVar

from pydantic import Field, field_validator

from composer.methods.graders.base import AskJudge, Grade, Grader, Submission
from composer.methods.template import Template
from composer.methods.templates import TEMPLATES
from composer.values import Query, Text

__all__ = ["Judge"]

_VERDICT = re.compile(
    r"\[\[\s*(right|correct|wrong|incorrect|\d+(?:\.\d+)?)\s*(?:/\s*(\d+(?:\.\d+)?)\s*)?\]\]",
    re.IGNORECASE,
)
_WORDS = {"right": 1.0, "correct": 1.0, "wrong": 0.0, "incorrect": 0.0}
_SHOWN = 500
"""Characters of a reply that a grade shows."""


class Judge(Grader):
    """Another recipe judges the answer: `judge("judge.ens")`, with the reference if there is one.

    `recipe` is a file, the name of a shipped recipe, or the text of one. The judge ends its reply
    with `[[right]]`, `[[wrong]]`, or a grade such as `[[0.5]]` or `[[7/10]]`; with `scale`, `[[7]]`
    is 7 / `scale`. A `template` of your own may use `query`, `answer`, `fields.reference` and the
    row's other fields. With `swap`, the judge is asked a second time with the answer before the
    reference; `repeats` are the draws of each question. The score is the mean of all replies.
    """

    name: ClassVar[str] = "judge"
    paper: ClassVar[str] = "arXiv:2306.05685"

    recipe: str = Field(min_length=1)
    template: Template | None = None
    swap: bool = False
    repeats: int = Field(default=1, ge=1, le=100)
    scale: float = Field(default=1.0, gt=0)

    @field_validator("recipe")
    @classmethod
    def _stripped(cls, recipe: str) -> str:
        return recipe.strip()

    @property
    def compares(self) -> bool:
        """Whether it needs a reference: a judge can do without."""
        return False

    @property
    def judges(self) -> tuple[str, ...]:
        """The one recipe that judges."""
        return (self.recipe,)

    def grade(self, submission: Submission, ask: AskJudge) -> Grade:
        """Return the mean score of the judge's replies; None where one has no verdict."""
        replies = ask(self.recipe, self.prompts(submission) * self.repeats)
        scores = [self.score(reply) for reply in replies]
        reference = submission.references[0] if submission.references else None
        unread = next((at for at, score in enumerate(scores) if score is None), None)
        if unread is not None:
            reason = f"the judge's reply has no verdict such as [[right]]: {replies[unread]}"
            return Grade(None, None, reference, reason[:_SHOWN])
        known = [score for score in scores if score is not None]
        reason = " | ".join(replies)[:_SHOWN]
        return Grade(fmean(known), None, reference, reason)

    def prompts(self, submission: Submission) -> list[str]:
        """Return what the judge is asked about an answer: once, or twice with `swap`."""
        orders = (False, True) if self.swap and submission.references else (False,)
        return [self._prompt(submission, swapped=swapped) for swapped in orders]

    def _prompt(self, submission: Submission, *, swapped: bool) -> str:
        fields = {
            **submission.fields,
            "reference": "\nor: ".join(submission.references),
            "swapped": swapped,
        }
        query = Query((("user", submission.query),), fields=fields)
        template = self.template or TEMPLATES["judge_answer"]
        return template.render(Text(query, submission.answer))

    def score(self, reply: str) -> float | None:
        """Read the last verdict of a reply; None where there is none between 0 and 1."""
        verdicts: list[tuple[str, str]] = _VERDICT.findall(reply)
        if not verdicts:
            return None
        word, most = verdicts[-1]
        if word.lower() in _WORDS:
            return _WORDS[word.lower()]
        whole = float(most) if most else self.scale
        return float(word) / whole if whole and float(word) <= whole else None

"""Estimates by a model that is asked about the query: a judge, or a language-model head."""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.methods.estimators.base import Estimator
from composer.methods.estimators.values import Choice, Estimates
from composer.methods.judges import by_judges
from composer.methods.mistakes import PartError
from composer.methods.template import Template
from composer.values import Asker, Model, Query, Sampling
from composer.values.gather import side_by_side

if TYPE_CHECKING:
    from collections.abc import Sequence

GRADES = (1, 2, 3, 4, 5)
_GRADE = re.compile(r"\[\[\s*([1-5])\s*\]\]")
_QUESTION = Template(
    text="""How well would a small language model answer the question below, compared with a far
better one? Grade it from 1 to 5: [[5]] means that its answer would be as good, [[1]] that only the
better model can answer. Write the grade alone, as in [[3]].

Question: {{ query }}"""
)


class Judging(Estimator):
    """An estimator that asks models of its own, which the route is given in brackets."""

    @property
    def asking(self) -> frozenset[str]:
        """What those models must be able to do."""
        return frozenset({"text"})

    @abstractmethod
    async def consult(
        self, query: Query, choices: tuple[Choice, ...], judges: tuple[Model, ...], ask: Asker
    ) -> Estimates:
        """Estimate the quality of every choice by asking the judges."""

    async def estimate(self, query: Query, choices: tuple[Choice, ...], ask: Asker) -> Estimates:
        """Refuse to estimate without a judge."""
        del query, choices, ask
        raise PartError(
            "E206",
            f"`{self.name}` needs a model to ask",
            f"name the model: `route(M, by = {self.name}())`",
        )


class Asked(Judging):
    """A grade from 1 to 5 of the query, by a model (RouteLLM's `causal`): P(the first suffices).

    With `read = "scores"`, p is the judge's probability of a grade of `enough` or more, from its
    probabilities of writing [[1]] to [[5]]. With `read = "answer"` the judge writes a grade g, and
    p = (g - 1) / 4. Several judges have equal weight. The first choice has the quality p and the
    last one 1 - p, with even steps between them, so put the weakest first. The judge is not
    fine-tuned here; for the method of the paper, use `route(M, by = asked())` with a model M that
    is trained for it.
    """

    name: ClassVar[str] = "asked"
    paper: ClassVar[str] = "arXiv:2406.18665"
    read: Literal["scores", "answer"] = "scores"
    enough: int = Field(default=4, ge=1, le=5)
    template: Template | None = None
    max_tokens: int = Field(default=16, ge=1)

    @property
    def asking(self) -> frozenset[str]:
        """What the judges must be able to do: score a text, or write one."""
        return frozenset({"score" if self.read == "scores" else "text"})

    async def consult(
        self, query: Query, choices: tuple[Choice, ...], judges: tuple[Model, ...], ask: Asker
    ) -> Estimates:
        """Ask all judges at once."""
        request = (self.template or _QUESTION).query(query.root)
        read = self._scored if self.read == "scores" else self._written
        (chances,) = await by_judges(judges, [read(judge, request, ask) for judge in judges], ask)
        chance = math.fsum(chances) / len(chances)
        names = ", ".join(f"`{judge.name}`" for judge in judges)
        return Estimates(between(chance, len(choices)), f"graded {chance:.3g} by {names}")

    async def _scored(self, judge: Model, query: Query, ask: Asker) -> float:
        marks = [f"[[{grade}]]" for grade in GRADES]
        scores = await side_by_side(ask.score(judge, query, mark) for mark in marks)
        return share_from([score.total for score in scores], self.enough)

    async def _written(self, judge: Model, query: Query, ask: Asker) -> float:
        reply = await ask.generate(judge, query, Sampling(max_tokens=self.max_tokens))
        grades = _GRADE.findall(reply.text)
        if not grades:
            raise PartError(
                "E701",
                f"no grade could be read from the reply of `{judge.name}`",
                "the model must write a grade such as [[3]]; or use `read = scores`, which needs "
                "no reply",
            )
        return (int(grades[-1]) - 1) / (len(GRADES) - 1)


def share_from(logs: Sequence[float], enough: int) -> float:
    """Return the share of the grades from `enough` on, by the log-probabilities of all grades."""
    top = max(logs)
    weights = [math.exp(each - top) for each in logs]
    good = (w for grade, w in zip(GRADES, weights, strict=True) if grade >= enough)
    return math.fsum(good) / math.fsum(weights)


def between(chance: float, count: int) -> tuple[float, ...]:
    """Return p for the first choice, 1 - p for the last, and values evenly between."""
    steps = max(count - 1, 1)
    return tuple(chance + (1 - 2 * chance) * at / steps for at in range(count))

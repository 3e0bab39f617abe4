"""Each member alone: from what was recorded, else by asking it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING

from composer.data import cost_of
from composer.evaluate.best import best_place
from composer.evaluate.graded import is_refused
from composer.evaluate.judge import RECORDED, judge, judgement
from composer.evaluate.recipes import (
    alone,
    answering,
    data_names,
    declarations,
    options_of,
    price_of,
)
from composer.methods import Grade
from composer.metrics import mean_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from composer.backends import Declaration
    from composer.evaluate.grading import Grading
    from composer.evaluate.member_answers import MemberAnswers
    from composer.evaluate.rows import EvaluationRow
    from composer.metrics import Interval
    from composer.recipe import Recipe
    from composer.run import Result
    from composer.values import Text
    from composer.values.card import Price

__all__ = [
    "Judged",
    "JudgedCache",
    "MemberSummary",
    "Members",
    "best_of",
    "grade_of",
    "grade_of_text",
    "recorded_cost",
]

Judged = dict[str, tuple[float, float]]
"""By row: the quality of the answer, and the dollars that it cost, NaN where not known."""

JudgedCache = dict[tuple[str, ...], Judged]
"""What was found of members before."""


@dataclass(frozen=True)
class MemberSummary:
    """One member on its own: the rows it was judged on, how often it was right, what it cost.

    `cost` is in dollars for all rows, None where that of no row is known. Rows of unknown cost, and
    those that failed, count with the mean of the others; `unpriced` says how many these are.
    """

    rows: int
    accuracy: float
    interval: Interval
    cost: float | None
    unpriced: int = 0


def best_of(members: Mapping[str, MemberSummary]) -> str | None:
    """The member that is right most often alone, see `best_place`."""
    if not members:
        return None
    each = members.values()
    costs = [math.nan if one.cost is None else one.cost / one.rows for one in each]
    return list(members)[best_place([one.accuracy for one in each], costs)]


@dataclass(frozen=True)
class Members:
    """The quality and the cost of every member's own answers, by member and row id."""

    judged: Mapping[str, Judged]

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        rows: Sequence[EvaluationRow],
        how: Grading,
        answers: MemberAnswers,
        cache: JudgedCache,
    ) -> Members:
        """Judge every model of a recipe alone.

        A row counts as it was recorded; else by the member's answer while the recipe ran; else
        the member is asked. `cache` keeps the judgements for other recipes over the same rows.
        """
        judged = {}
        for name, declaration in answering(recipe).items():
            key = (name, declaration.identity(), options_of(recipe, name), how.identity)
            if key not in cache:
                cache[key] = _alone(recipe, name, rows, how, answers.get(name, {}))
            judged[name] = cache[key]
        return cls(judged)

    @classmethod
    def recorded(cls, recipe: Recipe, rows: Sequence[EvaluationRow], how: Grading) -> Members:
        """Judge every model of a recipe by what was recorded of it, asking none."""
        return cls(
            {
                name: _kept(rows, data_names(name, declaration), price_of(declaration), how)
                for name, declaration in answering(recipe).items()
            }
        )

    @cached_property
    def summary(self) -> dict[str, MemberSummary]:
        """Each member that was judged at all, with its accuracy."""
        return {name: _summed(judged) for name, judged in self.judged.items() if judged}

    @property
    def best(self) -> str | None:
        """The member that is best alone."""
        return best_of(self.summary)

    def qualities(self, name: str) -> dict[str, float]:
        """The quality of one member's answers by row id."""
        return {row: quality for row, (quality, _) in self.judged[name].items()}

    def random(self) -> float | None:
        """The accuracy of choosing a member by chance, over the rows where all are judged."""
        rows = self._rows()
        return fmean(fmean(row) for row in rows) if rows else None

    def oracle(self) -> float | None:
        """The accuracy of always choosing a member that is right, over the same rows."""
        rows = self._rows()
        return fmean(max(row) for row in rows) if rows else None

    def _rows(self) -> list[list[float]]:
        many = [judged for judged in self.judged.values() if judged]
        shared = set.intersection(*(set(judged) for judged in many)) if many else set()
        return [[judged[name][0] for judged in many] for name in sorted(shared)]


def _summed(judged: Judged) -> MemberSummary:
    qualities, costs = zip(*judged.values(), strict=True)
    dollars, rows = [cost for cost in costs if not math.isnan(cost)], len(judged)
    total = rows * fmean(dollars) if dollars else None
    unpriced = rows - len(dollars)
    return MemberSummary(rows, fmean(qualities), mean_interval(qualities), total, unpriced)


def grade_of(
    models: Mapping[str, Declaration], row: EvaluationRow, result: Result, how: Grading
) -> Grade:
    """Grade one answer; one that failed is wrong, one that the budget refused has no score."""
    if is_refused(result):
        return Grade(None, reason="not asked, since the budget was spent")
    if result.error is not None or result.answer is None:
        return Grade(0.0, reason="there is no answer")
    return grade_of_text(models, row, result.answer, result.text, result.members, how)


def grade_of_text(  # noqa: PLR0913 - an answer, and who may have written it
    models: Mapping[str, Declaration],
    row: EvaluationRow,
    answer: str | None,
    text: Text | None,
    members: Iterable[str],
    how: Grading,
) -> Grade:
    """Grade an answer that some of these members have written."""
    names = [name for name in members if name in models]
    if text is not None and text.source in names:
        names = [text.source]
    writers = [alias for name in names for alias in data_names(name, models[name])]
    replayed = all(models[name].replays for name in names)
    grade = judge(row, answer, writers, how, replayed=replayed)
    carried = None if how.regrade else _carried(text)
    return carried if grade.score is None and carried is not None else grade


def _carried(text: Text | None) -> Grade | None:
    """The judgement that a replayed answer brings along, where the data has none."""
    correct = text.facts.get("correct") if text is not None else None
    return Grade(float(correct), grader=RECORDED) if isinstance(correct, bool) else None


def _alone(
    recipe: Recipe,
    name: str,
    rows: Sequence[EvaluationRow],
    how: Grading,
    answers: Mapping[str, tuple[str, float]],
) -> Judged:
    declaration = declarations(recipe)[name]
    names = data_names(name, declaration)
    judged = _kept(rows, names, price_of(declaration), how)
    answered = [row for row in rows if row.id in answers and row.id not in judged]
    grades = how.each(
        lambda row: judge(row, answers[row.id][0], names, how, replayed=False), answered
    )
    for row, grade in zip(answered, grades, strict=True):
        if grade.score is not None:
            judged[row.id] = (grade.score, answers[row.id][1])
    unjudged = [row for row in rows if row.id not in judged]
    return judged | (_asked(recipe, name, unjudged, how) if unjudged else {})


def _kept(
    rows: Sequence[EvaluationRow], names: tuple[str, ...], price: Price, how: Grading
) -> Judged:
    """Judge what was recorded under some of a model's names."""
    grades = how.each(lambda row: judgement(row, names, how), rows)
    return {
        row.id: (grade.score, recorded_cost(row, names, price))
        for row, grade in zip(rows, grades, strict=True)
        if grade is not None and grade.score is not None
    }


def recorded_cost(row: EvaluationRow, names: tuple[str, ...], price: Price) -> float:
    """The dollars of a recorded answer, see `cost_of`; NaN where they are not known."""
    answer = next((row.recorded[name] for name in names if name in row.recorded), {})
    cost = cost_of(answer, price)
    return math.nan if cost is None else cost


def _asked(recipe: Recipe, name: str, rows: Sequence[EvaluationRow], how: Grading) -> Judged:
    single, by_id = alone(recipe, name), {row.id: row for row in rows}
    models = declarations(single)
    judged: Judged = {}
    with how.ready(single) as ensemble:
        results = ensemble.map([row.question() for row in rows])
        graded = how.each(
            lambda result: (result, grade_of(models, by_id[result.id], result, how)), results
        )
        for result, grade in graded:
            if grade.score is not None:
                usage = result.full_usage
                unknown = usage.unpriced or result.error is not None
                dollars = math.nan if unknown else usage.cost
                judged[result.id] = (grade.score, dollars)
    return judged

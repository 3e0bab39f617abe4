"""Graded answers of members: as they were recorded, else by asking the member alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.evaluate.judge import judgement
from composer.evaluate.members import grade_of, recorded_cost
from composer.evaluate.recipes import alone, data_names, declarations, price_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from composer.backends import Declaration
    from composer.evaluate.grading import Grading
    from composer.evaluate.rows import EvaluationRow
    from composer.recipe import Recipe
    from composer.run import Ensemble

__all__ = ["GradedAnswer", "GradedAnswers", "asked_grades", "recorded_grades"]


@dataclass(frozen=True)
class GradedAnswer:
    """The quality of one answer from 0 to 1, its text where that is known, and its dollars.

    Dollars are NaN where not known.
    """

    quality: float
    text: str | None
    cost: float


GradedAnswers = dict[str, dict[str, GradedAnswer]]
"""By member and row id."""


def recorded_grades(
    recipe: Recipe, members: Iterable[str], rows: Sequence[EvaluationRow], how: Grading
) -> GradedAnswers:
    """Grade members by what the data recorded of them, asking nobody."""
    models = declarations(recipe)
    return {name: dict(_recorded(name, models[name], rows, how)) for name in members}


def asked_grades(
    recipe: Recipe,
    members: Iterable[str],
    rows: Sequence[EvaluationRow],
    how: Grading,
    ready: Callable[[Recipe], Ensemble],
) -> GradedAnswers:
    """Grade members by what was recorded, and ask each where nothing was; `ready` opens a recipe.

    A member that fails on a row is wrong there.
    """
    grades = recorded_grades(recipe, members, rows, how)
    for name, graded in grades.items():
        missing = {row.id: row for row in rows if row.id not in graded}
        if missing:
            graded |= dict(_asked(alone(recipe, name), missing, how, ready))
    return grades


def _recorded(
    name: str, declaration: Declaration, rows: Sequence[EvaluationRow], how: Grading
) -> Iterator[tuple[str, GradedAnswer]]:
    names, price = data_names(name, declaration), price_of(declaration)
    for row in rows:
        grade = judgement(row, names, how)
        if grade is not None and grade.score is not None:
            outcome = next(row.recorded[each] for each in names if each in row.recorded)
            text = outcome.get("text")
            shown = None if text is None else str(text)
            yield row.id, GradedAnswer(grade.score, shown, recorded_cost(row, names, price))


def _asked(
    recipe: Recipe,
    rows: Mapping[str, EvaluationRow],
    how: Grading,
    ready: Callable[[Recipe], Ensemble],
) -> Iterator[tuple[str, GradedAnswer]]:
    models = declarations(recipe)
    with ready(recipe) as ensemble:
        for result in ensemble.map([row.question() for row in rows.values()]):
            grade = grade_of(models, rows[result.id], result, how)
            if grade.score is not None:
                yield result.id, GradedAnswer(grade.score, result.answer, result.known_cost)

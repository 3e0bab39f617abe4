"""Answers of a variant of a recipe, judged: their quality, their dollars and their calls."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from composer.evaluate.members import grade_of
from composer.evaluate.recipes import declarations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.compiler.graph import Node
    from composer.evaluate.grading import Grading
    from composer.evaluate.rows import EvaluationRow
    from composer.recipe import Recipe
    from composer.run import Result

__all__ = ["MeasuredAnswer", "calls_of", "cost_of", "measured_answers", "with_answer"]


@dataclass(frozen=True)
class MeasuredAnswer:
    """One answer of a recipe: its quality, its dollars, and how many calls it took."""

    result: Result
    quality: float
    cost: float
    calls: int


def with_answer(recipe: Recipe, answer: Node) -> Recipe:
    """Make the recipe that gives another step's value, with the fits of this one."""
    return replace(recipe, compiled=replace(recipe.fitted, answer=answer), path=None)


def measured_answers(
    recipe: Recipe, rows: Sequence[EvaluationRow], how: Grading
) -> dict[str, MeasuredAnswer]:
    """Answer rows with a recipe, and judge the answers; rows that nothing judges are left out."""
    if not rows:
        return {}
    models, by_id = declarations(recipe), {row.id: row for row in rows}
    with how.ready(recipe) as ensemble:
        results = list(ensemble.map([row.question() for row in rows]))
    grades = how.each(lambda one: grade_of(models, by_id[one.id], one, how), results)
    return {
        one.id: MeasuredAnswer(one, grade.score, cost_of(one), calls_of(one))
        for one, grade in zip(results, grades, strict=True)
        if grade.score is not None
    }


def cost_of(result: Result) -> float:
    """Return the dollars that an answer takes, kept or not; NaN where they are not known.

    What failed gives no answer, so it does not tell what an answer costs.
    """
    usage = result.full_usage
    return math.nan if usage.unpriced or result.error is not None else usage.cost


def calls_of(result: Result) -> int:
    """Count the calls that an answer took."""
    return result.full_usage.calls

"""Rows that recorded models have no answers to: known before any is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.backends.recorded import Recorded
from composer.backends.recording import recording
from composer.diagnostics import Diagnostic, Mistakes
from composer.evaluate.recipes import declarations

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from composer.evaluate.rows import EvaluationRow
    from composer.recipe import Recipe

__all__ = ["demand_replayable"]


def demand_replayable(data: Path, rows: Sequence[EvaluationRow], recipes: Iterable[Recipe]) -> None:
    """Raise Mistakes (E504) where a recipe only replays files that have none of the rows.

    This holds for rows that have records of its models: a person expects these to be used.
    """
    questions = [row.question() for row in rows]
    for recipe in recipes:
        models = list(declarations(recipe).values())
        replayed = [model for model in models if isinstance(model, Recorded)]
        files = sorted({model.file for model in replayed})
        names = {model.model for model in replayed}
        if len(replayed) < len(models) or not any(names & set(row.recorded) for row in rows):
            continue
        if any(recording(file).find(one) is not None for file in files for one in questions):
            continue
        shown = " and ".join(f"`{file}`" for file in files)
        message = f"the models of {recipe.name} replay {shown}, without any row of `{data}`"
        help_ = (
            "name the file of the rows in `recorded(...)`, or put all rows into one file; "
            "if it has a route, `--route-only` measures that alone, by what the rows have recorded"
        )
        raise Mistakes([Diagnostic("E504", message, help=help_)])

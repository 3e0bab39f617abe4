"""Whether a recipe is measured on the rows that it was fitted on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from composer.compiler.graph import topological
from composer.diagnostics import Diagnostic, Mistakes
from composer.diagnostics.amounts import counted
from composer.heavy import np
from composer.methods.edits.paths import Paths
from composer.methods.edits.searched import Searched, query_digests

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from composer.compiler.graph import Node
    from composer.evaluate.rows import EvaluationRow
    from composer.recipe import Recipe
    from composer.values import Trainable

__all__ = ["demand_unseen", "training_overlap"]


def training_overlap(recipe: Recipe, routes: Iterable[Node], rows: Sequence[EvaluationRow]) -> int:
    """Count the rows whose question is among those that the recipe's routes were fitted on.

    Data that are no longer where the fit found them cannot be compared.
    """
    from composer.methods.estimators.training_rows import table

    training_queries: set[str] = set()
    for path in {path for node in routes for path in _files(recipe, node)}:
        training_queries.update(row.query for row in table(path).rows)
    return sum(row.query in training_queries for row in rows)


def demand_unseen(recipes: Iterable[Recipe], rows: Sequence[EvaluationRow]) -> None:
    """Raise Mistakes (E727) where a merge or a stack was searched on some of the rows."""
    digests = query_digests(row.query for row in rows)
    for recipe in recipes:
        for part in _searched(recipe):
            count = int(np.isin(digests, part.queries()).sum())
            if count:
                text = (
                    f"what `{part.name}` gives in `{recipe.name}` was searched on "
                    f"{counted(count, 'row')} of these data"
                )
                help_ = "evaluate on other rows; `--fitted-rows` measures on these all the same"
                raise Mistakes([Diagnostic("E727", text, help=help_)])


def _searched(recipe: Recipe) -> Iterator[Searched | Paths]:
    """Yield the parts of a recipe that hold what was searched, if they are fitted."""
    answer = recipe.fitted.answer
    for node in topological(answer) if answer is not None else ():
        for value in node.values().values():
            if isinstance(value, Searched | Paths) and not value.unfitted:
                yield value


def _files(recipe: Recipe, route: Node) -> Iterator[str]:
    from composer.compiler.fits import find_learners

    for learner in find_learners(route):
        path = _file(recipe, learner.part)
        if path is not None and path.is_file():
            yield str(path)


def _file(recipe: Recipe, part: Trainable) -> Path | None:
    """The data that a part was fitted on: those of its fit, else its own."""
    fitted = part.fitted
    if fitted is not None:
        data = fitted.facts.get("data")
        folder = recipe.path.parent if recipe.path is not None else Path()
        return folder / data if isinstance(data, str) else None
    data = getattr(part, "data", None)
    return Path(data) if isinstance(data, str) else None

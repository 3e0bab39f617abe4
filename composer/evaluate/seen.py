"""Whether a route is measured on what it learnt from, or on what it knows nothing of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from composer.compiler.graph import Node
    from composer.evaluate.rows import EvaluationRow
    from composer.recipe import Recipe
    from composer.run import Result
    from composer.values import Trainable

__all__ = ["FOREIGN", "foreign_in", "foreign_share", "seen_of"]

FOREIGN = 0.95
"""A query is foreign that lies further off than so many of those that were learnt from."""


def seen_of(recipe: Recipe, routes: Iterable[Node], rows: Sequence[EvaluationRow]) -> int:
    """Count the rows whose question is among those that the recipe's routes learnt from.

    Data that are no longer where the fit found them cannot be compared.
    """
    from composer.methods.estimators.rows import table

    learnt: set[str] = set()
    for path in {path for node in routes for path in _files(recipe, node)}:
        learnt.update(row.query for row in table(path).rows)
    return sum(row.query in learnt for row in rows)


def _files(recipe: Recipe, route: Node) -> Iterator[str]:
    from composer.compiler.fits import find

    for learner in find(route):
        path = _file(recipe, learner.part)
        if path is not None and path.is_file():
            yield str(path)


def _file(recipe: Recipe, part: Trainable) -> Path | None:
    """The data that a part learnt from: those of its fit, else its own."""
    fitted = part.fitted
    if fitted is not None:
        kept = fitted.facts.get("data")
        folder = recipe.path.parent if recipe.path is not None else Path()
        return folder / kept if isinstance(kept, str) else None
    own = getattr(part, "data", None)
    return Path(own) if isinstance(own, str) else None


def foreign_in(results: Iterable[Result]) -> list[float | None]:
    """How foreign the query of each result was to the route that learnt most of it, if any."""
    return [_most(result) for result in results]


def _most(result: Result) -> float | None:
    events = result.trace.events if result.trace is not None else ()
    return max((each.notes["foreign"] for each in events if "foreign" in each.notes), default=None)


def foreign_share(found: Iterable[float | None]) -> float | None:
    """The share of queries that are foreign, None where nothing says it of any."""
    known = [each for each in found if each is not None]
    return sum(each > FOREIGN for each in known) / len(known) if known else None

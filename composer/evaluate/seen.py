"""Whether a route is measured on what it learnt from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from composer.evaluate.rows import Row
    from composer.run import Ensemble

__all__ = ["seen_of"]


def seen_of(ensemble: Ensemble, rows: Sequence[Row]) -> int:
    """Count the rows whose question is among those in the data file of one of the routes.

    Files that were already learnt from are not read again.
    """
    learnt: set[str] = set()
    for node in ensemble.routes.values():
        learnt.update(_questions(getattr(node.get("by"), "data", None)))
    return sum(row.query in learnt for row in rows)


def _questions(path: object) -> Iterable[str]:
    from composer.parts.estimators.rows import table

    return (row.query for row in table(path).rows) if isinstance(path, str) else ()

"""A recipe for `map_batches` of Ray Data: files larger than memory, on any number of machines.

Each worker holds a whole recipe, its models too, and answers batches of rows. Ray reads the files,
splits them and writes the answers, so that only a few batches are in memory at a time. The class
itself knows no Ray: whatever gives columns to an object that lives long can use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from composer.recipe import Recipe
from composer.run.queries import as_query, number_repeats
from composer.run.result import Failure, Result

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from composer.values import Query

__all__ = ["COLUMNS", "Answering"]

COLUMNS = ("answer", "confidence", "cost", "seconds", "error")
"""What is added to each row; a column of the row that has such a name becomes `row_NAME`.

A confidence that is not known is NaN, and the error of an answer is empty: a column of nothing but
None has no type, so that libraries make numbers of it.
"""

UNKNOWN = {"confidence": float("nan"), "error": ""}

Columns = Mapping[str, "Sequence[Any]"]


class Answering:
    """Answers rows with a recipe, a batch at a time: `dataset.map_batches(Answering, ...)`.

    A row is one of `compose run --input`: it has `query` or `messages`, best an `id`, and may have
    other fields. `recipe` is a file that the worker can read, or the text of a recipe. Raises
    Mistakes where the recipe cannot be used; a row that cannot be answered has its `error` instead.
    """

    def __init__(  # noqa: PLR0913 - what a recipe is read and opened with
        self,
        recipe: str | Path,
        settings: Mapping[str, str] | None = None,
        *,
        seed: int = 0,
        plain: bool = False,
        cache: bool | str | Path = False,
        budget: float | None = None,
        timeout: float | None = None,
        at_once: int = 64,
    ) -> None:
        loaded = Recipe.load(recipe, settings, seed=seed, plain=plain)
        self._ensemble = loaded.ready(cache=cache, budget=budget, timeout=timeout)
        self._at_once = at_once

    def __call__(self, batch: Columns) -> dict[str, Sequence[Any]]:
        """Return the columns of a batch, with those of the answers; the rows keep their order."""
        results = list(self._answers(_rows(batch)))
        kept = {f"row_{name}" if name in COLUMNS else name: batch[name] for name in batch}
        return {**kept, **{name: [_cell(each, name) for each in results] for name in COLUMNS}}

    def _answers(self, rows: Iterable[Mapping[str, object]]) -> Iterator[Result]:
        """Yield a result for each row, in their order."""
        asked = [_query(row) for row in rows]
        queries = number_repeats(each for each in asked if not isinstance(each, Result))
        done = self._ensemble.map(list(queries), at_once=self._at_once)
        for each in asked:
            yield each if isinstance(each, Result) else next(done)


def _rows(batch: Columns) -> Iterator[dict[str, object]]:
    """Yield the rows of some columns; a field without a value is left out."""
    columns = [_plain(column) for column in batch.values()]
    for values in zip(*columns, strict=True):
        yield {name: value for name, value in zip(batch, values, strict=True) if value is not None}


def _plain(values: Any) -> Any:  # noqa: ANN401 - a column of whatever library
    """Return values as Python has them, where a library such as numpy has them otherwise."""
    plain = values.tolist() if hasattr(values, "tolist") else values
    if isinstance(plain, Mapping):
        return {name: _plain(value) for name, value in plain.items()}
    return [_plain(value) for value in plain] if isinstance(plain, list | tuple) else plain


def _query(row: Mapping[str, object]) -> Query | Result:
    """Make a query of a row, or the result of one that cannot be asked."""
    try:
        return as_query(row)
    except Failure as failure:
        return Result(str(row.get("id", "")), "", None, error=str(failure))


def _cell(result: Result, column: str) -> object:
    """Return what a column says of a result."""
    value = getattr(result, column)
    return UNKNOWN.get(column) if value is None else value

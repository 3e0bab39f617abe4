"""The requests of a batch file that `compose run` answers, read as a server reads them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import ExitStack

    from composer.recipe import Recipe
    from composer.run import Ensemble, Result
    from composer.serve.batches import Batch
    from composer.values import Query
    from composer.values.options import AnswerOptions

__all__ = ["BatchRequests"]


class BatchRequests:
    """Turns requests into queries with options, and results into replies.

    Other queries and results go through as they are. A file is read before the recipe is opened to
    be asked, so that a mistake in it is told first: what reads it has the recipe open on its own,
    asks nobody, and is closed with the `stack`.
    """

    def __init__(self, recipe: Recipe, stack: ExitStack) -> None:
        self._recipe, self._stack = recipe, stack
        self._batch: Batch | None = None

    def query_of(self, row: Mapping[str, Any]) -> Query:
        """Return the query of a row that is a request; raises BadRow."""
        return self._reader.query_of(row)

    def open(self, ensemble: Ensemble, queries: Callable[[], Iterable[Query]]) -> None:
        """Let an ensemble answer them; raises Failure where it cannot honour what one asks."""
        if "_reader" in vars(self):
            self._batch = self._batch_of(ensemble)
            self._batch.check(queries())

    def questions(self, queries: Iterable[Query]) -> Iterable[Query | tuple[Query, AnswerOptions]]:
        """Return the queries to ask, each alone or with its options."""
        return queries if self._batch is None else self._batch.questions(queries)

    def whole(self, results: Iterator[Result]) -> Iterator[Result]:
        """Return the results, one for each request."""
        return results if self._batch is None else self._batch.whole(results)

    def row(self, result: Result) -> dict[str, object] | None:
        """Return the line of an output file that is a reply; None for any other result."""
        return None if self._batch is None else self._batch.row(result)

    @cached_property
    def _reader(self) -> Batch:
        return self._batch_of(self._stack.enter_context(self._recipe.ready(probe=False)))

    def _batch_of(self, ensemble: Ensemble) -> Batch:
        from composer.serve.batches import Batch
        from composer.serve.served import ServedModel
        from composer.serve.settings import Settings

        name, settings = Path(self._recipe.name).stem, Settings(seed=self._recipe.seed)
        return Batch(ServedModel(name, self._recipe, ensemble, settings))

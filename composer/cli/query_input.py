"""The queries of `compose run`: its arguments, a file, lines of stdin, or the recipe's example."""

from __future__ import annotations

import os
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import click

from composer.cli.terminal import err, utf8
from composer.data import Unreadable, read, read_stream
from composer.diagnostics import Diagnostic
from composer.run import Failure
from composer.run.queries import as_query, number_repeats, queries_of
from composer.values import Query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from composer.data import Line
    from composer.recipe import Recipe
    from composer.run import OutputFile

_ROW = 'a row is {"id": "q1", "query": "2 + 2?"}'

UnusedFields = Callable[[tuple[str, ...]], None]
"""Is called with the names of a row's fields that are ignored."""

OfRequest = Callable[[Mapping[str, Any]], Query]
"""Returns the query of a row that is a request of a batch file."""


@dataclass(eq=False)
class QueryInput:
    """The queries of a run. A file is read twice: first to check and count it, then to answer."""

    read: Callable[[UnusedFields], Iterable[Query]]
    limit: int | None = None
    file: Path | None = None
    _unused: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        arguments: tuple[str, ...],
        input_: Path | None,
        limit: int | None,
        of_request: OfRequest,
    ) -> QueryInput:
        """Take the arguments, else the file, else what is piped in, else the example.

        `of_request` reads the rows that are requests of a batch file.
        """
        if not arguments and input_ is not None and input_.is_file():
            return cls(partial(_queries_of_file, input_, of_request), limit, input_)
        queries = cls(lambda _unused: query_list, limit, None if arguments else input_)
        query_list = list(
            _queries_given(recipe, arguments, input_, of_request, queries.count_unused)
        )
        return queries

    def queries(self) -> Iterator[Query]:
        """Yield the queries."""
        return islice(iter(self.read(lambda _: None)), self.limit)

    def count(self, rows: OutputFile | None) -> int:
        """Count the queries that have no answer yet.

        Raises Failure where one is no query, and where a file that was named holds none.
        """
        queries = islice(iter(self.read(self.count_unused)), self.limit)
        first = list(islice(queries, 1))
        if not first and self.file is not None:
            raise Failure("E504", f"`{self.file}` has no rows", _ROW)
        all_queries = chain(first, queries)
        return sum(1 for _ in (all_queries if rows is None else rows.unanswered(all_queries)))

    def count_unused(self, fields: tuple[str, ...]) -> None:
        """Count the fields of a row that are ignored."""
        self._unused.update(dict.fromkeys(fields, 1))

    def warnings(self) -> Iterator[Diagnostic]:
        """Yield a warning (W508) that names the ignored fields and how many rows have them."""
        if self._unused:
            counts = ", ".join(
                f"{field_name} ({count})" for field_name, count in sorted(self._unused.items())
            )
            text = f"these parts of the rows are ignored: {counts}"
            help_ = "calls of tools are not passed on to models"
            yield Diagnostic("W508", text, help=help_)


def _queries_of_file(path: Path, of_request: OfRequest, on_unused: UnusedFields) -> Iterator[Query]:
    return _queries_of_lines(partial(read, path), str(path), of_request, on_unused)


def _queries_of_lines(
    read: Callable[[], Iterator[Line]], name: str, of_request: OfRequest, on_unused: UnusedFields
) -> Iterator[Query]:
    try:
        return queries_of(read(), name, on_unused, of_request)
    except Unreadable as error:
        raise Failure(error.code, error.message, error.help) from None


def _queries_given(
    recipe: Recipe,
    arguments: tuple[str, ...],
    input_: Path | None,
    of_request: OfRequest,
    on_unused: UnusedFields,
) -> Iterable[Query]:
    if arguments:
        return number_repeats(
            as_query(utf8(text), default_id=str(at)) for at, text in enumerate(arguments, 1)
        )
    if input_ is not None:
        return _queries_of_file(input_, of_request, on_unused)
    piped = list(_queries_piped(of_request, on_unused)) if _is_piped() else []
    if piped:
        return piped
    if recipe.example is None:
        raise click.UsageError(
            "there is no query: give one on the command line, as lines on stdin, or with --input"
        )
    err(f"example: {recipe.example}")
    return [Query.of(recipe.example, id="example")]


def _queries_piped(of_request: OfRequest, on_unused: UnusedFields) -> Iterator[Query]:
    stdin = os.fdopen(sys.stdin.fileno(), "rb", closefd=False)
    return _queries_of_lines(partial(read_stream, stdin, "stdin"), "stdin", of_request, on_unused)


def _is_piped() -> bool:
    """Say whether stdin is a pipe or a file; a terminal or /dev/null brings no queries."""
    try:
        kind = stat.S_IFMT(os.fstat(sys.stdin.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):
        return False
    return kind in (stat.S_IFIFO, stat.S_IFREG)

"""What `compose run` is asked: its arguments, lines of stdin, a file, or the recipe's example."""

from __future__ import annotations

import os
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING

import click

from composer.cli.terminal import err, utf8
from composer.diagnostics import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from composer.data import Line
    from composer.recipe import Recipe
    from composer.run import OutputFile
    from composer.values import Query

_ROW = 'a row is {"id": "q1", "query": "2 + 2?"}'

UnusedFields = Callable[[tuple[str, ...]], None]
"""Is told what a row holds that is not asked."""


@dataclass(eq=False)
class QueryInput:
    """The queries of a run. A file is read twice: once to find what is wrong, once to answer it."""

    again: Callable[[UnusedFields], Iterable[Query]]
    limit: int | None = None
    file: Path | None = None
    _left: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(
        cls, recipe: Recipe, given: tuple[str, ...], input_: Path | None, limit: int | None
    ) -> QueryInput:
        """Take the arguments, else the file, else what is piped in, else the example."""
        if not given and input_ is not None and input_.is_file():
            return cls(partial(_of_file, input_), limit, input_)
        made = cls(lambda _left: kept, limit, None if given else input_)
        kept = list(_once(recipe, given, input_, made.see))
        return made

    def queries(self) -> Iterator[Query]:
        """Yield the queries."""
        return islice(iter(self.again(lambda _: None)), self.limit)

    def count(self, rows: OutputFile | None) -> int:
        """Count the queries that have no answer yet.

        Raises Failure where one is no query, and where a file that was named holds none.
        """
        found = islice(iter(self.again(self.see)), self.limit)
        first = list(islice(found, 1))
        if not first and self.file is not None:
            from composer.run import Failure

            raise Failure("E504", f"`{self.file}` has no rows", _ROW)
        every = chain(first, found)
        return sum(1 for _ in (every if rows is None else rows.unanswered(every)))

    def see(self, left: tuple[str, ...]) -> None:
        """Count what a row holds that is not asked."""
        self._left.update(dict.fromkeys(left, 1))

    def left_out(self) -> Iterator[Diagnostic]:
        """Yield a warning (W508) that names what is not asked, and of how many rows."""
        if self._left:
            told = ", ".join(f"{what} ({count})" for what, count in sorted(self._left.items()))
            text = f"these parts of the rows are ignored: {told}"
            help_ = "a recipe reads only text; set options in the recipe or with `--set`"
            yield Diagnostic("W508", text, help=help_)


def _of_file(path: Path, left: UnusedFields) -> Iterator[Query]:
    from composer.data import read

    return _of_lines(partial(read, path), str(path), left)


def _of_lines(read: Callable[[], Iterator[Line]], name: str, left: UnusedFields) -> Iterator[Query]:
    from composer.data import Unreadable
    from composer.run import Failure
    from composer.run.queries import queries_of

    try:
        return queries_of(read(), name, left)
    except Unreadable as bad:
        raise Failure(bad.code, bad.message, bad.help) from None


def _once(
    recipe: Recipe,
    given: tuple[str, ...],
    input_: Path | None,
    left: UnusedFields,
) -> Iterable[Query]:
    from composer.run.queries import as_query, number_repeats
    from composer.values import Query

    if given:
        return number_repeats(
            as_query(utf8(text), default_id=str(at)) for at, text in enumerate(given, 1)
        )
    if input_ is not None:
        return _of_file(input_, left)
    piped = list(_piped(left)) if _is_piped() else []
    if piped:
        return piped
    if recipe.example is None:
        raise click.UsageError(
            "there is no query: give one on the command line, as lines on stdin, or with --input"
        )
    err(f"example: {recipe.example}")
    return [Query.of(recipe.example, id="example")]


def _piped(left: UnusedFields) -> Iterator[Query]:
    from composer.data import read_stream

    stdin = os.fdopen(sys.stdin.fileno(), "rb", closefd=False)
    return _of_lines(partial(read_stream, stdin, "stdin"), "stdin", left)


def _is_piped() -> bool:
    """Say whether stdin is a pipe or a file; a terminal or /dev/null brings no queries."""
    try:
        kind = stat.S_IFMT(os.fstat(sys.stdin.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):
        return False
    return kind in (stat.S_IFIFO, stat.S_IFREG)

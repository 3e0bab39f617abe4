"""`compose run`: answer queries with a recipe."""

from __future__ import annotations

import json
import os
import stat
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from composer.cli.say import (
    EXIT_FAILED,
    EXIT_PARTLY,
    Reading,
    json_option,
    recipe_argument,
    recipe_options,
    tell,
    timeout_option,
)
from composer.cli.terminal import err, is_terminal, out, utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from composer.ports import Query
    from composer.recipe import Recipe
    from composer.run import Ensemble, Result, Rows

ON_STDERR = "-"


def _trace_target(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse a question that stands where the file would: it would be written to, not asked."""
    del ctx, param
    if value in (None, ON_STDERR) or Path(str(value)).suffix in (".jsonl", ".json"):
        return value
    raise click.BadParameter(
        f'`{value}` does not end in .jsonl; a question goes first: `run RECIPE "..." --trace`'
    )


@click.command()
@recipe_argument
@click.argument("query", nargs=-1)
@recipe_options
@click.option(
    "--input",
    "input_",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Queries, one JSON object a line; in a file not called .jsonl or .json also a text.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write answers here as they come; the same recipe, called again, goes on from there.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Answer only so many queries.")
@click.option("--stream", is_flag=True, help="Print the answer while it is written.")
@click.option(
    "--trace",
    is_flag=False,
    flag_value=ON_STDERR,
    callback=_trace_target,
    metavar="[FILE]",
    help="Say on stderr what was asked of whom and why, or write it to FILE.jsonl.",
)
@click.option("--no-cache", is_flag=True, help="Make every answer anew, keep none.")
@click.option(
    "--budget", type=click.FloatRange(min=0), metavar="DOLLARS", help="Never spend more than this."
)
@timeout_option
@click.option("--seed", type=int, default=0, help="The seed of all sampled work.")
@click.option("--plain", is_flag=True, help="Leave out the rules that only save work.")
@json_option
def command(
    recipe: Path,
    query: tuple[str, ...],
    reading: Reading,
    input_: Path | None,
    output: Path | None,
    limit: int | None,
    trace: str | None,
    seed: int,
    budget: float | None,
    timeout: float | None,
    *,
    no_cache: bool,
    stream: bool,
    plain: bool,
    as_json: bool,
) -> int:
    """Answer queries with a recipe: the arguments, lines of stdin, or of --input.

    Without any, the recipe's own example is answered.
    """
    if stream and (as_json or output is not None):
        raise click.UsageError("--stream prints pieces of text: leave out --json and --output")
    from composer.run.foreign import Strangers
    from composer.run.partial import Partial

    loaded = reading.read(recipe, plain=plain, seed=seed)
    loaded.plan()
    queries = _limited(_queries(loaded, query, input_), limit)
    with ExitStack() as stack:
        show = stack.enter_context(Tracing(trace))
        rows = _rows(stack, output, loaded)
        waiting = list(rows.left(queries)) if rows else list(queries)
        if rows and rows.done:
            err(f"{len(rows.done)} answered before, {len(waiting)} to go")
        if not waiting:
            return 0
        ready = loaded.ready(
            cache=not no_cache,
            budget=budget,
            timeout=timeout,
            loading=_tell_loading,
            warn=lambda each: tell([each]),
        )
        ensemble = stack.enter_context(ready)
        strangers, partial = Strangers(), Partial()
        if stream and rows is None and not as_json:
            results = partial.over(strangers.over(_streamed(ensemble, waiting)))
            status = _report(results, None, show, printed=True)
        else:
            results = ensemble.as_they_come(waiting) if rows else ensemble.map(waiting)
            counted = partial.over(strangers.over(_bar(results, len(waiting))))
            status = _report(counted, rows, show, as_json=as_json)
        tell(filter(None, (strangers.warning(), partial.warning())))
        if ensemble.budget is not None:
            err(f"spent ${ensemble.budget.spent:.6f} of ${budget:g}")
        return status


def _queries(recipe: Recipe, given: tuple[str, ...], input_: Path | None) -> Iterable[Query]:
    from composer.ports import Query
    from composer.run.rows import as_query, read_queries

    if given:
        return [as_query(utf8(text), default_id=str(at)) for at, text in enumerate(given, 1)]
    if input_ is not None:
        return _lines(input_)
    piped = list(read_queries(sys.stdin, "stdin")) if _is_piped() else []
    if piped:
        return piped
    if recipe.example is None:
        raise click.UsageError("what should it answer? give a query, lines on stdin, or --input")
    err(f"example: {recipe.example}")
    return [Query.of(recipe.example, id="example")]


def _lines(path: Path) -> Iterator[Query]:
    from composer.run import read_queries

    with path.open(encoding="utf-8") as file:
        yield from read_queries(file, str(path))


def _is_piped() -> bool:
    """Say whether stdin is a pipe or a file; a terminal or /dev/null brings no queries."""
    try:
        kind = stat.S_IFMT(os.fstat(sys.stdin.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):
        return False
    return kind in (stat.S_IFIFO, stat.S_IFREG)


def _limited(queries: Iterable[Query], limit: int | None) -> Iterator[Query]:
    for at, query in enumerate(queries):
        if limit is not None and at >= limit:
            return
        yield query


def _rows(stack: ExitStack, output: Path | None, recipe: Recipe) -> Rows | None:
    if output is None:
        return None
    from composer.run import Rows

    return stack.enter_context(Rows(output, recipe.fingerprint, recipe.name))


def _tell_loading(model: str) -> None:
    """Say on stderr, if that is a terminal, what is waited for before the first answer."""
    if is_terminal(sys.stderr):
        err(f"loading {model}")


class Tracing:
    """Where traces go: nowhere, in words to stderr, or as JSON lines to a file."""

    def __init__(self, target: str | None) -> None:
        self.target = target

    def __enter__(self) -> Callable[[Result], None]:
        if self.target is None:
            return lambda _result: None
        if self.target == ON_STDERR:
            return self._words
        try:
            self.file = Path(self.target).open("a", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            from composer.run import Failure

            text = f"the trace cannot be written to {self.target}: {error.strerror}"
            raise Failure("E503", text, "name a file in a folder that exists") from None
        return self._json

    def __exit__(self, *error: object) -> None:
        if self.target not in (None, ON_STDERR):
            self.file.close()

    def _words(self, result: Result) -> None:
        if result.trace is not None:
            for line in result.trace.lines():
                err(line)

    def _json(self, result: Result) -> None:
        if result.trace is not None:
            self.file.write(json.dumps(result.trace.as_dict(), ensure_ascii=False) + "\n")
            self.file.flush()


def _streamed(ensemble: Ensemble, queries: Iterable[Query]) -> Iterator[Result]:
    """Print each answer while it is written, then yield its result; a failed one has an error."""
    from composer.run import Failure, Result

    for query in queries:
        pieces, begun = ensemble.stream(query), False
        try:
            while True:
                out(next(pieces), end="")
                begun = True
        except StopIteration as end:
            result = end.value
        except Failure as failure:
            result = failure.result or Result(query.id, query.text, None, error=str(failure))
        if begun or result.error is None:
            out()
        yield result


def _report(
    results: Iterable[Result],
    rows: Rows | None,
    show: Callable[[Result], None],
    *,
    as_json: bool = False,
    printed: bool = False,
) -> int:
    """Print or write each result, unless that was done; return the status that failures make."""
    good = bad = 0
    for result in results:
        show(result)
        good, bad = good + (result.error is None), bad + (result.error is not None)
        if rows is not None:
            rows.write(result)
        elif as_json:
            out(json.dumps(result.as_dict(), ensure_ascii=False), as_json=True)
        elif result.error is None and not printed:
            out(result.answer or "")
        if result.error is not None and not as_json:
            err(f"query {result.id} failed: {result.error}")
    if not bad:
        return 0
    return EXIT_PARTLY if good else EXIT_FAILED


def _bar(results: Iterable[Result], count: int) -> Iterable[Result]:
    """Show a progress bar on stderr, if that is a terminal and there is something to wait for."""
    if count < 2 or not is_terminal(sys.stderr):  # noqa: PLR2004 - one query needs no bar
        return results
    from rich.console import Console
    from rich.progress import track

    return track(results, "answering", total=count, console=Console(stderr=True), transient=True)

"""What `compose run` prints and writes: answers, traces and a progress bar."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from composer.cli.status import EXIT_FAILED, EXIT_PARTLY
from composer.cli.terminal import err, is_terminal, out
from composer.run import Failure, Result
from composer.run.jsonl import JsonlWriter
from composer.run.queries import asked_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from composer.run import Ensemble, OutputFile
    from composer.values import Query
    from composer.values.options import AnswerOptions


ON_STDERR = "-"


class TraceOutput:
    """Where traces go: nowhere, as text to stderr, or as JSON lines to a file."""

    def __init__(self, target: str | None) -> None:
        self.target = target

    def __enter__(self) -> Callable[[Result], None]:
        if self.target is None:
            return lambda _result: None
        if self.target == ON_STDERR:
            return self._words
        try:
            self.file = JsonlWriter(Path(self.target))
        except OSError as error:
            text = f"cannot write the trace to {self.target}: {error.strerror}"
            raise Failure("E718", text, "give a file in an existing folder") from None
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
            self.file.write(result.trace.as_dict())


def streamed(
    ensemble: Ensemble, questions: Iterable[Query | tuple[Query, AnswerOptions]]
) -> Iterator[Result]:
    """Print each answer while it is written, then yield its result; a failed one has an error."""
    for question in questions:
        query, options = question if isinstance(question, tuple) else (question, None)
        pieces, begun = ensemble.stream(query, options=options), False
        try:
            while True:
                out(next(pieces), end="")
                begun = True
        except StopIteration as end:
            result = end.value
        except Failure as failure:
            result = failure.result or Result(query.id, asked_text(query), None, error=str(failure))
        if begun or result.error is None:
            out()
        yield result


def report(
    results: Iterable[Result],
    rows: OutputFile | None,
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


def with_progress(results: Iterable[Result], count: int) -> Iterable[Result]:
    """Show a progress bar on stderr, if that is a terminal and there is something to wait for."""
    if count < 2 or not is_terminal(sys.stderr):  # noqa: PLR2004 - one query needs no bar
        return results
    from rich.console import Console
    from rich.progress import track

    return track(results, "answering", total=count, console=Console(stderr=True), transient=True)

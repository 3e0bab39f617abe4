"""Answers that were recorded: a JSONL file, read once, looked up by id and by question."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from composer.data import BadRow, Unreadable, id_of, query_of, read, recorded_of
from composer.specs.content import data_stamp
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composer.data import Line
    from composer.specs.content import Stamps
    from composer.values.flow import Query

__all__ = ["RecordedAnswer", "Recording", "recording"]

Row = dict[str, Any]


class RecordedAnswer(TypedDict, total=False):
    """What a row holds of one model: its words, what they cost, and how they were judged."""

    text: str | None
    answers: list[str | None] | None
    correct: bool | None
    score: float | None
    seconds: float
    cost: float | None
    prompt_tokens: int
    completion_tokens: int
    tokens: list[str] | None
    logprob: float | None
    logprobs: list[float]


@dataclass(frozen=True)
class Recording:
    """The rows of a file, and where each id and each question is among them.

    `logged` says of every model that any row has an answer of, in order of appearance, whether
    any was recorded with log-probabilities.
    """

    file: str
    rows: tuple[Row, ...]
    by_id: Mapping[str, Row] = field(repr=False)
    by_text: Mapping[str, Row] = field(repr=False)
    logged: Mapping[str, bool] = field(repr=False)

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that any row has an answer of, in order of appearance."""
        return tuple(self.logged)

    def answers(self, model: str) -> Iterator[RecordedAnswer]:
        """Yield every answer of a model."""
        return (row["recorded"][model] for row in self.rows if model in row["recorded"])

    def find(self, query: Query) -> Row | None:
        """The row of a query: of its id when the question agrees too, else of its exact text.

        A query that a template rewrote counts as the query it was made from. An id alone is
        enough when it is more than a number: numbers are what unnamed queries are given.
        """
        same = self.by_id.get(query.id)
        texts = (query.text, query.root.text)
        if same is not None and same["query"] in texts:
            return same
        row = next((self.by_text[text] for text in texts if text in self.by_text), None)
        return row or (None if query.id.isdecimal() else same)


def recording(path: str) -> Recording:
    """Read a file of recorded answers; a file or folder that is unchanged is read once."""
    file = Path(path).expanduser()
    if not file.exists():
        raise ModelError(
            "E501",
            f"there is no file `{path}`",
            "give a path that starts at the folder of the recipe",
        )
    return _read(str(file), data_stamp(file))


@lru_cache(maxsize=16)
def _read(path: str, _stamp: Stamps) -> Recording:
    rows = tuple(_rows(path))
    by_id: dict[str, Row] = {}
    by_text: dict[str, Row] = {}
    logged: dict[str, bool] = {}
    for row in rows:
        by_id.setdefault(row["id"], row)
        by_text.setdefault(row["query"], row)
        for model, answer in row["recorded"].items():
            logged[model] = logged.get(model, False) or "logprob" in answer or "logprobs" in answer
    return Recording(path, rows, by_id, by_text, logged)


def _rows(path: str) -> Iterator[Row]:
    try:
        lines = read(path)
    except Unreadable as bad:
        raise ModelError(bad.code, bad.message, bad.help) from bad
    with closing(lines):
        for at, line in enumerate(lines):
            try:
                yield _row(line, at)
            except BadRow as bad:
                said = f"{line.file or path}:{line.number}: {bad.message}"
                raise ModelError("E504", said, bad.help) from bad


def _row(line: Line, index: int) -> Row:
    if isinstance(line.content, BadRow):
        raise line.content
    name = id_of(line.content)
    identity = {"id": str(index) if name is None else name, "query": query_of(line.content)}
    return {**line.content, **identity, "recorded": recorded_of(line.content)}

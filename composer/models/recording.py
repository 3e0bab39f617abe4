"""Answers that were recorded: a JSONL file, read once, looked up by id and by question."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composer.models.checkpoint import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composer.ports.values import Query

__all__ = ["Recording", "recording"]

Row = dict[str, Any]
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Recording:
    """The rows of a file, and where each id and each question is among them."""

    file: str
    rows: tuple[Row, ...]
    by_id: Mapping[str, Row] = field(repr=False)
    by_text: Mapping[str, Row] = field(repr=False)

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that any row has an answer of, in order of appearance."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row["recorded"]))

    def find(self, query: Query) -> Row | None:
        """The row of a query: of its id when the question agrees too, else of its exact text.

        A query that a template rewrote counts as the query it was made from. An id alone is
        enough when it is more than a number: numbers are what unnamed queries are given.
        """
        same = self.by_id.get(query.id)
        texts = (query.text, query.root.text)
        if same is not None and same["query"] in texts:
            return same
        found = next((self.by_text[text] for text in texts if text in self.by_text), None)
        return found or (None if query.id.isdecimal() else same)


def recording(path: str) -> Recording:
    """Read a file of recorded answers; a file that is unchanged is read once."""
    file = Path(path).expanduser()
    if not file.is_file():
        raise ModelError("E501", f"there is no file `{path}`", "give a path from the recipe")
    return _read(str(file), file.stat().st_mtime_ns)


@lru_cache(maxsize=16)
def _read(path: str, _stamp: int) -> Recording:
    rows = tuple(_row(path, number, line) for number, line in _lines(path))
    by_id: dict[str, Row] = {}
    by_text: dict[str, Row] = {}
    for row in rows:
        by_id.setdefault(str(row["id"]), row)
        by_text.setdefault(row["query"], row)
    return Recording(path, rows, by_id, by_text)


def _lines(path: str) -> Iterator[tuple[int, str]]:
    try:
        content = Path(path).read_bytes()
        text = (gzip.decompress(content) if content.startswith(GZIP) else content).decode()
    except (OSError, EOFError, ValueError) as problem:
        said = f"`{path}` cannot be read: {problem}"
        raise ModelError("E504", said, "give a JSONL file in UTF-8, plain or gzip") from problem
    numbered = enumerate(text.split("\n"), 1)
    return ((number, line) for number, line in numbered if line.strip())


def _row(path: str, number: int, line: str) -> Row:
    try:
        row = json.loads(line)
    except ValueError as problem:
        raise _bad(path, number, f"not JSON: {problem}") from problem
    if not isinstance(row, dict) or not isinstance(row.get("query"), str):
        raise _bad(path, number, 'no "query" in text')
    recorded = row.setdefault("recorded", {})
    if not isinstance(recorded, dict) or not all(isinstance(v, dict) for v in recorded.values()):
        raise _bad(path, number, '"recorded" does not map models to answers')
    row.setdefault("id", str(number - 1))
    return row


def _bad(path: str, number: int, what: str) -> ModelError:
    shape = '{"id": "q1", "query": "...", "recorded": {"model": {"text": "..."}}}'
    return ModelError("E504", f"{path}:{number}: {what}", f"write one object a line, as {shape}")

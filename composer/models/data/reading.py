"""Reading data files: JSON lines, JSON, CSV and Parquet, plain or gzip, and published sets."""

from __future__ import annotations

import csv
import gzip
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from composer.models.data.published import converted
from composer.models.data.row import BadRow

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BadRow", "Line", "Unreadable", "read"]

GZIP, PICKLE, PARQUET = b"\x1f\x8b", b"\x80", b"PAR1"
PICKLES = (".pkl", ".pickle")

CONVERT = (
    "where you trust who made it, write it anew: `pandas.read_pickle(...)` and then "
    "`.to_csv(...)`, or for RouterEval `json.dump(...)` with its arrays as lists"
)


class Unreadable(Exception):
    """A file that cannot be read at all: a code, what is wrong, and what to do."""

    def __init__(self, code: str, message: str, advice: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Line:
    """A row as it stands in a file: the number of its line, that line, and what it holds.

    `content` is a mapping in our names, or a BadRow where the line holds none.
    """

    number: int
    text: str
    content: dict[str, Any] | BadRow


def read(path: str | Path) -> list[Line]:
    """Read the rows of a data file; those of RouterBench, RouterEval and MixInstruct are turned.

    Raises Unreadable where there is no such file (E501) or its content is no data (E504). Pickles
    are refused, since reading one may run whatever its author wrote.
    """
    name, raw = str(path), _bytes(Path(path))
    if raw.startswith(PARQUET):
        return list(_turned(_parquet(name)))
    text = _text(name, raw)
    kind = name.lower().removesuffix(".gz")
    if kind.endswith(".csv"):
        return list(_turned(_csv(text)))
    whole = _whole(text) if kind.endswith(".json") else None
    return list(_turned(_jsonl(text) if whole is None else whole))


def _turned(lines: Iterator[Line] | list[Line]) -> Iterator[Line]:
    """Turn the rows of published sets into ours; one object may hold many of them."""
    for line in lines:
        if isinstance(line.content, BadRow):
            yield line
            continue
        try:
            for row in converted(line.content):
                yield Line(line.number, line.text, row)
        except BadRow as bad:
            yield Line(line.number, line.text, bad)


def _bytes(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if raw.startswith(GZIP) else raw
    except FileNotFoundError:
        advice = "name a JSONL or CSV file"
        raise Unreadable("E501", f"there is no file `{path}`", advice) from None
    except (OSError, EOFError) as problem:
        raise _unread(str(path), problem) from problem
    named = path.name.lower().removesuffix(".gz")
    if named.endswith(PICKLES) or content.startswith(PICKLE):
        said = f"`{path}` is a pickle, which may run any program when it is read, so it is not"
        raise Unreadable("E504", said, CONVERT)
    return content


def _text(name: str, raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except ValueError as problem:
        raise _unread(name, problem) from problem


def _unread(name: str, problem: Exception) -> Unreadable:
    said = f"`{name}` cannot be read: {problem}"
    return Unreadable("E504", said, "give JSONL or CSV in UTF-8, plain or gzip")


def _jsonl(text: str) -> Iterator[Line]:
    """Read line by line; not `splitlines`, since JSON may hold U+2028 inside its texts."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield Line(number, line, _object(line))


def _object(line: str) -> dict[str, Any] | BadRow:
    try:
        content = json.loads(line)
    except ValueError as problem:
        return BadRow(f"this line is not JSON: {problem}")
    return content if isinstance(content, dict) else BadRow("this line is not a JSON object")


def _whole(text: str) -> list[Line] | None:
    """Read a file that is one JSON value, a list of rows or a set; None for lines of JSON."""
    try:
        content = json.loads(text)
    except ValueError:
        return None
    rows = content if isinstance(content, list) else [content]
    bad = BadRow("this row is not a JSON object")
    return [Line(1, "", row if isinstance(row, dict) else bad) for row in rows]


def _csv(text: str) -> Iterator[Line]:
    csv.field_size_limit(2**31 - 1)
    lines = text.split("\n")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        for row in reader:
            kept = {key: value for key, value in row.items() if key and value}
            yield Line(reader.line_num, lines[reader.line_num - 1], kept)
    except csv.Error as problem:
        yield Line(reader.line_num, "", BadRow(f"this is not CSV: {problem}"))


def _parquet(name: str) -> list[Line]:
    try:
        from pyarrow import parquet  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        said = f"`{name}` is Parquet, which is read with the package pyarrow"
        raise Unreadable("E504", said, "`pip install pyarrow`, or write it as CSV") from None
    rows = parquet.read_table(name).to_pylist()
    known = ({key: one for key, one in row.items() if one is not None} for row in rows)
    return [Line(number, "", row) for number, row in enumerate(known, 1)]

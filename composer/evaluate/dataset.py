"""Questions with references, read from JSONL or CSV."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

from composer.evaluate.rows import BadRowError, Row, row_of
from composer.words import Diagnostic, Mistakes, Place, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["divide", "read_rows"]

SHAPE = '{"id": "q1", "query": "2 + 2?", "reference": "4", "tags": ["sums"]}'
SHOWN_MISTAKES = 10
SHOWN_LINE = 120
GZIP = b"\x1f\x8b"


def read_rows(
    path: str | Path,
    *,
    split: str | None = None,
    limit: int | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> list[Row]:
    """Read a data file, JSONL (plain or gzip) or CSV; all of its mistakes are reported at once.

    `split` keeps the rows of one split, `limit` the first rows of what is left, and `sample` as
    many of those, drawn by the seed and in the order of the file.
    """
    name, text = str(path), _text(Path(path))
    found = list(_csv(text) if _is_csv(name) else _jsonl(text))
    rows, mistakes = _rows(found, _Page(name, text))
    if mistakes:
        raise Mistakes(mistakes[:SHOWN_MISTAKES])
    kept = [row for row in rows if split is None or row.split == split]
    if not kept:
        raise Mistakes([_empty(name, rows, split)])
    kept = kept[:limit]
    if sample is None or sample >= len(kept):
        return kept
    drawn = random.Random(seed).sample(range(len(kept)), sample)  # noqa: S311 - no secret
    return [kept[at] for at in sorted(drawn)]


def divide(rows: Sequence[Row], share: float = 0.8, seed: int = 0) -> tuple[list[Row], list[Row]]:
    """Divide rows in two by a hash of their ids, so that a row stays on its side as others come."""
    left: list[Row] = []
    right: list[Row] = []
    for row in rows:
        digest = hashlib.sha256(f"{seed}:{row.id}".encode()).digest()
        (left if int.from_bytes(digest[:8], "big") < share * 2**64 else right).append(row)
    return left, right


class _Page:
    """The file's lines, cut to a length that can be shown under a mistake."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.lines = text.split("\n")

    def mistake(self, number: int, message: str, advice: str = "") -> Diagnostic:
        source = Source(self.name, "\n".join(line[:SHOWN_LINE] for line in self.lines))
        start = source.starts[number - 1]
        place = Place(source, start, start + len(source.line(number)))
        return Diagnostic("E504", message, place, help=advice or f"a row is {SHAPE}")


def _rows(found: Sequence[tuple[int, object]], page: _Page) -> tuple[list[Row], list[Diagnostic]]:
    rows: list[Row] = []
    mistakes: list[Diagnostic] = []
    seen: dict[str, int] = {}
    for index, (number, content) in enumerate(found):
        try:
            row = row_of(content, index)
            if row.id in seen:
                said = f"the id `{row.id}` is already on line {seen[row.id]}"
                raise BadRowError(said, "give every row its own id, or none of them")  # noqa: TRY301
            seen[row.id] = number
            rows.append(row)
        except BadRowError as bad:
            mistakes.append(page.mistake(number, bad.message, bad.advice))
    return rows, mistakes


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        raw = gzip.decompress(content) if content.startswith(GZIP) else content
        return raw.decode("utf-8-sig")
    except FileNotFoundError:
        missing = Diagnostic("E501", f"there is no file `{path}`", help="name a JSONL or CSV file")
        raise Mistakes([missing]) from None
    except (OSError, EOFError, ValueError) as problem:
        said = f"`{path}` cannot be read: {problem}"
        raise Mistakes([Diagnostic("E504", said, help="give JSONL or CSV in UTF-8")]) from problem


def _is_csv(name: str) -> bool:
    return name.lower().removesuffix(".gz").endswith(".csv")


def _jsonl(text: str) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError as problem:
                yield number, problem


def _csv(text: str) -> Iterator[tuple[int, object]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    for row in reader:
        yield reader.line_num, {key: value for key, value in row.items() if key and value}


def _empty(name: str, rows: Sequence[Row], split: str | None) -> Diagnostic:
    if not rows:
        return Diagnostic("E504", f"`{name}` has no rows", help=f"a row is {SHAPE}")
    splits = ", ".join(sorted({row.split for row in rows} - {""})) or "none"
    return Diagnostic("E504", f"`{name}` has no rows of split `{split}`", help=f"it has: {splits}")

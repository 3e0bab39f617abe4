"""Rows out of tables: CSV, TSV and Parquet, each with its columns named."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from composer.data.lines import Line, binary, loaded
from composer.data.row import ANSWERS, JUDGED, QUESTIONS, BadRow, Unreadable, misspelt
from composer.diagnostics.amounts import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from composer.data.lines import Counted

__all__ = ["delimited", "header_mark", "parquet"]

MARKS = (",", "\t", ";", "|")
NESTED = ("messages", "recorded", "tags", "body")
"""Columns whose cells may be JSON."""

QUOTED = 'put a text with commas, quotes or line ends in quotes: `"Paris, France"`'
CLOSED = 'close it with `"`; inside a quoted text write `""` for one quote: `"He said ""yes"""`'

_KNOWN = frozenset({*QUESTIONS, *ANSWERS, *JUDGED, "system", "messages"})
_LONGEST = 2**31 - 1
_AT_ONCE = 256


def header_mark(line: str) -> str | None:
    """Return what separates the names of a header, None where a line is no header.

    A header names at least two columns of which one is a question and all are single words.
    """
    for mark in MARKS:
        cells = [cell.strip().strip('"') for cell in line.split(mark)]
        words = all(cell.replace("_", "").isalnum() for cell in cells)
        field_names = _KNOWN.intersection(cells)
        if words and len(field_names) > 1 and field_names.intersection(QUESTIONS):
            return mark
    return None


def delimited(lines: Counted, mark: str) -> Iterator[Line]:
    """Read a table of text whose first line names the columns; the mark may be another one."""
    csv.field_size_limit(_LONGEST)
    reader = csv.reader(lines, delimiter=header_mark(lines.peek()) or mark, strict=True)
    begun = lines.number
    header: _Header | None = None
    while True:
        number = begun + reader.line_num + 1
        try:
            cells = next(reader, None)
            if cells is None:
                return
            if header is None:
                header = _Header.of(cells)
            elif cells:
                yield Line(number, ",".join(cells), header.row(cells))
        except csv.Error as problem:
            yield Line(number, "", _refused(problem))
        except BadRow as bad:
            yield Line(number, ",".join(cells or ()), bad)
            if header is None:
                return


@dataclass(frozen=True)
class _Header:
    names: tuple[str, ...]

    @classmethod
    def of(cls, cells: list[str]) -> _Header:
        names = tuple(cell.strip() for cell in cells)
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise BadRow(f"two columns are named `{twice}`", "give each column its own name")
        if "" in names[1:]:
            raise BadRow("a column has no name", "give each column a name in the first line")
        if any("\0" in name for name in names):
            raise binary()
        slip = misspelt(names)
        if slip is not None:
            raise BadRow(f"unknown column `{slip[0]}`", f"did you mean `{slip[1]}`?")
        return cls(names)

    def row(self, cells: list[str]) -> dict[str, Any]:
        """Return what the cells hold, without the empty ones and an index without a name."""
        if len(cells) != len(self.names):
            here, names = counted(len(cells), "field"), counted(len(self.names), "name")
            message = f"this row has {here}, but the first line has {names}"
            raise BadRow(message, QUOTED)
        if any("\0" in cell for cell in cells):
            raise binary()
        pairs = zip(self.names, cells, strict=True)
        return {name: _cell(name, cell) for name, cell in pairs if name and cell}


def _cell(name: str, cell: str) -> object:
    return loaded(cell) if name in NESTED and cell.lstrip()[:1] in ("[", "{") else cell


def _refused(problem: csv.Error) -> BadRow:
    if "unexpected end" in str(problem):
        return BadRow("a quote that begins in this row is never closed", CLOSED)
    message = (
        "this row is not CSV: a quote ends in the middle of a field, or a line end is not in quotes"
    )
    return BadRow(message, CLOSED)


def parquet(name: str, file: BinaryIO) -> Iterator[Line]:
    """Read a file of Parquet, some rows at a time; raises Unreadable without its package."""
    try:
        from pyarrow import parquet as reading  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        message = f"`{name}` is a Parquet file, and reading it needs the package pyarrow"
        raise Unreadable(
            "E504", message, "run `pip install pyarrow`, or write the rows as CSV"
        ) from None
    return _batches(reading.ParquetFile, file)


def _batches(kind: Callable[[BinaryIO], Any], file: BinaryIO) -> Iterator[Line]:
    number = 0
    try:
        for batch in kind(file).iter_batches(_AT_ONCE):
            for row in batch.to_pylist():
                number += 1
                yield Line(number, "", {key: one for key, one in row.items() if _is_there(one)})
    except (OSError, ValueError, TypeError, NotImplementedError):  # what its own errors derive from
        problem = "the Parquet file is damaged from this row on"
        yield Line(number + 1, "", BadRow(problem, "write it again"))


def _is_there(value: object) -> bool:
    """Say whether a cell holds something: tables write NaN for a number that is not known."""
    return value is not None and not (isinstance(value, float) and value != value)  # noqa: PLR0124

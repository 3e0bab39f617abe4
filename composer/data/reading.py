"""Reading data: JSON lines, JSON, CSV, TSV, Parquet, plain text, published sets, batch files.

Rows come one after the other, so that a file may be larger than the memory. What is wrong with a
row stands in its line; a file that cannot be read at all is Unreadable.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from composer.data.batch import is_request, request_of
from composer.data.lines import Counted, Line, json_lines, json_whole, plain_lines
from composer.data.messages import calls_left_out
from composer.data.opening import (
    DAMAGED,
    PARQUET,
    bare_name,
    opened,
    text_lines,
    unpacked,
)
from composer.data.published import Gathering, form_of, published_files
from composer.data.row import BadRow, Unreadable, id_of, misspelt
from composer.data.tables import delimited, header_mark, parquet

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from composer.data.published.form import PublishedFile

__all__ = ["BadRow", "Line", "Unreadable", "parsed", "read", "read_stream"]

OF_ROWS = (".jsonl", ".ndjson")
TABLES = {".csv": ",", ".tsv": "\t", ".tab": "\t"}


def read(path: str | Path) -> Generator[Line]:
    """Read the rows of a data file, in the form that its name and its first bytes say.

    A folder is read if it has the layout of a published benchmark. A caller that stops before the
    last row closes the generator, and so the file. Raises Unreadable where there is no such file
    (E501), where it may not be read (E503), or where its content is no data (E504).
    """
    root = Path(path)
    if root.is_dir():
        return _generated(_finished(_of_folder(published_files(root))))
    return read_stream(opened(root), str(path))


def read_stream(file: io.BufferedReader, name: str) -> Generator[Line]:
    """Read the rows of a file that is open; it is closed when the last one was read."""
    try:
        return _closing(_finished(_objects(file, name)), file)
    except Unreadable:
        file.close()
        raise


def parsed(lines: Iterable[str], name: str) -> Iterator[Line]:
    """Read the rows of some lines of text, in the form that the name and the first line say."""
    return _finished(_parsed(lines, name))


def _finished(objects: Iterator[Line]) -> Iterator[Line]:
    return _checked(_turned(objects))


def _of_folder(files: Sequence[PublishedFile]) -> Iterator[Line]:
    """Read the objects of several files, with the fields that each file's path adds."""
    for path, fields in files:
        try:
            with opened(path) as file:
                for line in _objects(file, str(path)):
                    content = line.content
                    content = content if isinstance(content, BadRow) else {**fields, **content}
                    yield replace(line, content=content, file=str(path))
        except Unreadable as bad:
            yield Line(1, "", BadRow(bad.message, bad.help), file=str(path))


def _objects(file: io.BufferedReader, name: str) -> Iterator[Line]:
    """Return the objects of a file as they stand there; raises Unreadable at once."""
    content = unpacked(name, file)
    if content.peek(len(PARQUET)).startswith(PARQUET):
        whole = content if content is file and file.seekable() else io.BytesIO(content.read())
        return parquet(name, whole)
    if _is_wide(content):
        message = f"`{name}` contains NUL bytes, so it is not text in UTF-8"
        raise Unreadable("E504", message, "save it as UTF-8, or as UTF-16 with a byte order mark")
    return _parsed(text_lines(content), name)


def _parsed(lines: Iterable[str], name: str) -> Iterator[Line]:
    counted = Counted(iter(lines))
    try:
        yield from _form(counted, bare_name(name))
    except DAMAGED as problem:
        is_text = not isinstance(problem, UnicodeError)
        message = (
            "the file is incomplete or damaged here"
            if is_text
            else ("this line is not text in UTF-8")
        )
        advice = "write it again" if is_text else "save it as UTF-8"
        yield Line(counted.number + 1, "", BadRow(message, advice))


def _form(lines: Counted, name: str) -> Iterator[Line]:
    """Read lines by the ending of their file's name; of others, their first line tells."""
    mark = next((mark for ending, mark in TABLES.items() if name.endswith(ending)), None)
    if name.endswith(OF_ROWS):
        return json_lines(lines)
    if name.endswith(".json"):
        return json_whole(lines)
    first = lines.peek()
    mark = mark or header_mark(first)
    if mark is not None:
        return delimited(lines, mark)
    begins = first.split()
    is_list = begins and (begins[0].startswith(("[{", '["')) or begins[:2] in (["["], ["[", "{"]))
    return json_whole(lines) if is_list else plain_lines(lines)


def _turned(lines: Iterator[Line]) -> Iterator[Line]:
    """Turn the rows of published sets and batch files into ours; an object may hold many rows."""
    gathering = Gathering()
    for line in lines:
        if isinstance(line.content, BadRow):
            yield line
            continue
        try:
            if is_request(line.content):
                yield replace(line, content=request_of(line.content))
                continue
            form = form_of(line.content)
            if form is None:
                yield line
                continue
            for part in form.parts(line.content):
                if part.key is not None:
                    gathering.add(line, form, part)
                    continue
                named = replace(line, benchmark=form.benchmark, facts=part.facts)
                yield replace(named, content=part.content)
        except BadRow as bad:
            yield replace(line, content=bad)
    yield from gathering.lines()


def _checked(lines: Iterator[Line]) -> Iterator[Line]:
    """Refuse ids that stand twice, names that are slips, and requests among other rows."""
    lines_of_ids: dict[str, int] = {}
    forms: set[tuple[str, ...]] = set()
    for line in lines:
        try:
            yield line if isinstance(line.content, BadRow) else _told(line, lines_of_ids, forms)
        except BadRow as bad:
            yield replace(line, content=bad)


def _told(line: Line, lines_of_ids: dict[str, int], forms: set[tuple[str, ...]]) -> Line:
    row = line.content
    assert isinstance(row, dict)
    names = tuple(row)
    if names not in forms:
        slip = misspelt(names)
        if slip is not None:
            message = f"this row has the unknown field `{slip[0]}`"
            raise BadRow(message, f"did you mean `{slip[1]}`?")
        if len(forms) < _FORMS:
            forms.add(names)
    name = id_of(row)
    if name is not None:
        if name in lines_of_ids:
            message = f"the id `{name}` is already on line {lines_of_ids[name]}"
            raise BadRow(message, "give every row its own id, or give no ids")
        lines_of_ids[name] = line.number
    left = tuple(calls_left_out(row.get("messages")))
    return replace(line, left_out=left) if left else line


_FORMS = 64
"""How many sets of names are remembered as rightly spelt."""


def _generated(lines: Iterator[Line]) -> Generator[Line]:
    yield from lines


def _closing(lines: Iterator[Line], file: io.BufferedReader) -> Generator[Line]:
    with file:
        yield from lines


def _is_wide(content: io.BufferedReader) -> bool:
    """Say whether a text without a mark is in an encoding of two or four bytes a letter."""
    head = content.peek(_HEAD)[:_HEAD]
    marked = head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff"))
    return not marked and head.count(0) > len(head) // 3


_HEAD = 64

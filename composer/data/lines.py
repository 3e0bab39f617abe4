"""Rows out of lines of text: JSON lines, a JSON array, or plain questions."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from composer.data.row import BadRow

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Counted", "Line", "json_lines", "json_whole", "plain_lines"]

_BETWEEN = re.compile(r"[\s,]*")
_BLANK = re.compile(r"\s*")
SHOWN = 200
"""How much is kept of a row that ends to be JSON at once."""

ONE_A_LINE = 'write one object a line, such as {"id": "q1", "query": "2 + 2?"}'


@dataclass(frozen=True, slots=True)
class Line:
    """A row as it stands in a file: the number of its line, that line, and what it holds.

    `content` is a mapping in our names, or a BadRow where the line holds none. `left_out` names
    what the row holds that nobody will be asked. A row of a published set names its `benchmark`
    and the `facts` that the benchmark's metrics need; one of a folder, its `file`.
    """

    number: int
    text: str
    content: dict[str, Any] | BadRow
    left_out: tuple[str, ...] = ()
    benchmark: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    file: str = ""


@dataclass(eq=False)
class Counted:
    """Lines that are counted as they are read; one that was looked at comes again."""

    lines: Iterator[str]
    number: int = 0
    _again: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._again:
            self.number += 1
            return self._again.pop()
        line = next(self.lines)
        self.number += 1
        return line.removeprefix("\ufeff") if self.number == 1 else line

    def peek(self) -> str:
        """Return the first line that is not blank, empty where there is none."""
        for line in self:
            if line.strip():
                self.number -= 1
                self._again.append(line)
                return line
        return ""


def json_lines(lines: Counted) -> Iterator[Line]:
    """Read an object from each line that is not blank."""
    for line in lines:
        if line.strip():
            yield _object(lines.number, line)


def plain_lines(lines: Counted) -> Iterator[Line]:
    """Read a question from each line that is not blank; one that begins with `{` is an object."""
    for line in lines:
        if line.lstrip().startswith("{"):
            yield _object(lines.number, line)
        elif line.strip():
            text = line.rstrip("\r\n")
            yield Line(lines.number, text, binary() if "\0" in text else {"query": text})


def json_whole(lines: Counted) -> Iterator[Line]:
    """Read a text that is one JSON value, a list of rows or a single one; else JSON lines."""
    first = lines.peek()
    if not first.lstrip().startswith("[") and not isinstance(_value(first), BadRow):
        yield from json_lines(lines)
        return
    start = lines.number
    text = "".join(lines)
    listed = first.lstrip().startswith("[")
    at = _BLANK.match(text, 1 + text.index("[")) if listed else _BLANK.match(text)
    place, end = at.end() if at else 0, len(text)
    number, counted = start + 1, 0
    while place < end and not (listed and text[place] == "]"):
        number, counted, begin = number + text.count("\n", counted, place), place, place
        value, place = _next_value(text, place)
        shown = text[begin : max(place, begin + SHOWN)]
        yield Line(number, shown.partition("\n")[0], value)
        if isinstance(value, BadRow):
            return
        gap = _BETWEEN.match(text, place)
        place, commas = (gap.end(), gap.group().count(",")) if gap else (end, 0)
        last = place >= end or text[place] == "]"
        if listed and commas != 1 and not (last and not commas):
            number = start + 1 + text.count("\n", 0, place)
            problem = "write one comma between two rows of a list"
            yield Line(number, "", BadRow(f"this is not JSON: {problem}", ONE_A_LINE))
            return
    if listed and text[place:].strip() != "]":
        past = _BLANK.match(text, place + 1)
        place = past.end() if past and place < end else len(text.rstrip())
        number = start + 1 + text.count("\n", 0, place)
        problem = (
            "there is something after the list" if place < end else "the list ends in the middle"
        )
        yield Line(number, "", BadRow(f"this is not JSON: {problem}", ONE_A_LINE))


def loaded(text: str) -> object:
    """Read a JSON value strictly; raises BadRow."""
    value = _value(text)
    if isinstance(value, BadRow):
        raise value
    return value


def binary() -> BadRow:
    """Return what is wrong with a row that holds a NUL byte."""
    return BadRow("this row contains a NUL byte, so it is not text", "save the file as UTF-8 text")


def _object(number: int, line: str) -> Line:
    value = _value(line)
    if not isinstance(value, dict | BadRow):
        value = BadRow("this line is not a JSON object", ONE_A_LINE)
    return Line(number, line.rstrip("\r\n"), value)


def _value(text: str) -> object:
    """Return the JSON value of a text, or a BadRow that says where it ends to be one."""
    try:
        return _DECODER.decode(text)
    except BadRow as bad:
        return bad
    except json.JSONDecodeError as error:
        return _broken(text, error.pos)
    except (ValueError, RecursionError):
        return _TOO_MUCH


def _next_value(text: str, place: int) -> tuple[dict[str, Any] | BadRow, int]:
    try:
        value, place = _DECODER.raw_decode(text, place)
    except BadRow as bad:
        return bad, place
    except json.JSONDecodeError as error:
        return _broken(text, error.pos, place), place
    except (ValueError, RecursionError):
        return _TOO_MUCH, place
    return (value if isinstance(value, dict) else BadRow("this row is not a JSON object")), place


def _broken(text: str, place: int, start: int = 0) -> BadRow:
    if place >= len(text.rstrip()):
        return BadRow("this line is not JSON: it ends in the middle", ONE_A_LINE)
    message = f"this line is not JSON, from character {place - start + 1} on"
    return BadRow(message, ONE_A_LINE)


_TOO_MUCH = BadRow("this row is nested too deep, or contains a number that is too long", ONE_A_LINE)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRow(f"`{twice}` is given twice in one object", "leave one of them out")
    return fields


def _no_number(text: str) -> float:
    raise BadRow(f"`{text}` is not a JSON number", "write null for an unknown number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text)


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite)

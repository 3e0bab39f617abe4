"""The form of a published set of recorded answers: how it is recognized and what it becomes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from composer.data.row import QUESTIONS, BadRow

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = [
    "Files",
    "Form",
    "Part",
    "PublishedFile",
    "answer",
    "is_question",
    "number",
    "present",
    "words",
]

Row: TypeAlias = "dict[str, Any]"


class PublishedFile(NamedTuple):
    """A file of a published folder, and the fields that its path adds to each of its objects."""

    path: Path
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Part:
    """A row in our names, or a part of one.

    Parts with the same `key` become one row; a part without a key is a whole row. `facts` are what
    the metrics of the benchmark need of the row beside its recorded answers.
    """

    content: Row
    facts: Row = field(default_factory=dict)
    key: Hashable | None = None


def _no_folder(root: Path) -> None:
    del root


Files: TypeAlias = "Sequence[PublishedFile] | None"


@dataclass(frozen=True)
class Form:
    """How an object of a benchmark's files is recognized and turned into rows or parts of rows.

    Each object has a field of one of the names `marks`, and is one that `claims` accepts. `files`
    lists the files of a folder in the published layout, None for other folders. `finish` is applied
    to each row when all of its parts are there. `remedy` says how to give the questions where a row
    has none; without it such rows are left out.
    """

    benchmark: str
    marks: frozenset[str]
    claims: Callable[[Row], bool]
    parts: Callable[[Row], Iterator[Part]]
    files: Callable[[Path], Files] = _no_folder
    finish: Callable[[Row], None] | None = None
    remedy: str = ""


def is_question(row: Mapping[str, Any]) -> bool:
    """Say whether an object asks something under one of the names that we read anyway."""
    return any(name in row for name in QUESTIONS)


def present(**fields: object) -> Row:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def answer(text: object, score: object, cost: object, read: object, written: object) -> Row:
    """Return a recorded answer in our names: its text, score, dollars, tokens read and written.

    Fields that are None, a text that is none and numbers that are none are left out.
    """
    return present(
        text=text if isinstance(text, str) else None,
        score=number(score),
        cost=number(cost),
        prompt_tokens=read,
        completion_tokens=written,
    )


def words(row: Mapping[str, Any], name: str) -> str:
    """Return a field that must be a text; raises BadRow where it is none."""
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise BadRow(f"`{name}` must be a text", f"write `{name}` as in the published files")
    return value


def number(value: object) -> float | None:
    """Read a number; None for an empty cell and for what is no number."""
    if value is None or isinstance(value, bool):
        return None if value is None else float(value)
    try:
        read = float(str(value))
    except ValueError:
        truth = {"true": 1.0, "false": 0.0}
        return truth.get(str(value).lower())
    return read if math.isfinite(read) else None

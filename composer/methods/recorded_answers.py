"""The recorded answers of a data file, for votes and scores that learn when they are first used."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from composer.data import (
    BadRow,
    Unreadable,
    confidence_of,
    logprobs_of,
    quality_of,
    query_of,
    read,
    recorded_of,
    references_of,
    tags_of,
)
from composer.diagnostics import did_you_mean
from composer.methods.answer_table import AnswerRow, AnswerTable
from composer.methods.mistakes import PartError
from composer.specs.content import file_digest
from composer.values import Candidates, Query, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.data import Line

_FIT = "run `compose fit RECIPE --data FILE`, which asks the members and grades what they say"


def recorded_answers(
    part: str, path: str, names: tuple[str, ...], *, labelled: bool, read: bool
) -> AnswerTable:
    """Return what a file recorded of the members of these names.

    With `labelled`, only rows with a judgement are used. `read` says that the recipe reads its
    answers by `extract`. Raises PartError where the file cannot be used (E504), or has too little
    for the part (E509).
    """
    if read:
        text = f"`{part}` cannot learn from `data` behind `extract`: the file has unread answers"
        raise PartError("E509", text, _FIT)
    lines = _lines(path)
    recorded = sorted({name for line in lines for name in line.recorded})
    missing = [name for name in names if name not in recorded]
    if missing:
        text = f"{path} has no recorded answers of `{missing[0]}`"
        near = did_you_mean(missing[0], recorded)
        help_ = f"give the branch the name that it has there{near and f' ({near})'}, or {_FIT}"
        raise PartError("E504", text, help_)
    rows = [row for line in lines if (row := _row(line, names)) is not None]
    if labelled:
        rows = [row for row in rows if any(quality is not None for quality in row.quality)]
    if not rows:
        text = f"{path} has no row of which `{part}` could learn"
        raise PartError("E509", text, f"record `text` and `correct` of each member, or {_FIT}")
    return AnswerTable(names, tuple(rows), file_digest(path))


class _Line(NamedTuple):
    query: str
    tags: tuple[str, ...]
    references: tuple[str, ...]
    recorded: Mapping[str, Mapping[str, Any]]


def _lines(path: str) -> list[_Line]:
    try:
        lines = read(path)
    except Unreadable as bad:
        raise PartError(bad.code, bad.message, bad.help) from bad
    with closing(lines):
        return [_line(path, line) for line in lines]


def _line(path: str, line: Line) -> _Line:
    try:
        if isinstance(line.content, BadRow):
            raise line.content
        row = line.content
        references = references_of(row.get("reference"))
        return _Line(query_of(row), tags_of(row), references, recorded_of(row))
    except BadRow as bad:
        place = f"{line.file or path}, line {line.number}"
        raise PartError("E504", f"{place}: {bad.message}", bad.help) from bad


def _row(line: _Line, names: tuple[str, ...]) -> AnswerRow | None:
    """Return the row of a line, None if it has no answer of any of the members."""
    outcomes = {name: line.recorded.get(name, {}) for name in names}
    outcomes = {name: outcome for name, outcome in outcomes.items() if "text" in outcome}
    if not outcomes:
        return None
    query = Query.of(line.query)
    texts = tuple(_text(query, name, outcome) for name, outcome in outcomes.items())
    quality = tuple(quality_of(outcome) for outcome in outcomes.values())
    return AnswerRow(Candidates(query, texts, tuple(outcomes)), quality, line.references, line.tags)


def _text(query: Query, name: str, outcome: Mapping[str, Any]) -> Text:
    """Return a recorded answer; one that was recorded as null abstains."""
    text = outcome["text"]
    return Text(
        query,
        "" if text is None else str(text),
        name,
        logprobs=logprobs_of(outcome),
        confidence=confidence_of(outcome),
        extracted=text is None,
    )

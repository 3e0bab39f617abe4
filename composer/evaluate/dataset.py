"""Questions with references, read from JSONL or CSV."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from composer.data import SHAPE, BadRow, Unreadable, read
from composer.diagnostics import Diagnostic, Mistakes, Place, Source
from composer.evaluate.rows import EvaluationRow, row_of
from composer.run.queries import Occurrences

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from composer.data import Line

__all__ = ["divide", "read_rows"]

SHOWN_MISTAKES = 10
SHOWN_LINE = 120


def read_rows(
    path: str | Path,
    *,
    split: str | None = None,
    limit: int | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> list[EvaluationRow]:
    """Read a data file (see `composer.data`); all of its mistakes are reported at once.

    `split` keeps the rows of one split, `limit` the first rows of what is left, and `sample` as
    many of those, drawn by the seed and in the order of the file.
    """
    name = str(path)
    try:
        lines = read(path)
    except Unreadable as bad:
        raise Mistakes([bad.diagnostic()]) from bad
    rows, mistakes = _rows(name, lines)
    if mistakes:
        raise Mistakes(mistakes[:SHOWN_MISTAKES])
    kept = [row for row in rows if split is None or row.split == split]
    if not kept:
        raise Mistakes([_empty(name, rows, split)])
    kept = kept[:limit]
    if sample is None or sample >= len(kept):
        return kept
    drawn = random.Random(seed).sample(range(len(kept)), sample)
    return [kept[at] for at in sorted(drawn)]


def divide(
    rows: Sequence[EvaluationRow], share: float = 0.8, seed: int = 0
) -> tuple[list[EvaluationRow], list[EvaluationRow]]:
    """Divide rows in two by a hash of their ids, so that a row stays on its side as others come."""
    left: list[EvaluationRow] = []
    right: list[EvaluationRow] = []
    for row in rows:
        digest = hashlib.sha256(f"{seed}:{row.id}".encode()).digest()
        (left if int.from_bytes(digest[:8], "big") < share * 2**64 else right).append(row)
    return left, right


def _rows(name: str, lines: Iterable[Line]) -> tuple[list[EvaluationRow], list[Diagnostic]]:
    rows: list[EvaluationRow] = []
    mistakes: list[Diagnostic] = []
    taken: dict[str, int] = {}
    told_apart = Occurrences()
    for index, line in enumerate(lines, start=1):
        try:
            row = row_of(line.content, index)
            if row.id in taken:
                said = f"the id `{row.id}` is already on line {taken[row.id]}"
                raise BadRow(said, "give every row its own id, or give no ids")  # noqa: TRY301
            taken[row.id] = line.number
            content = told_apart(row.content) if row.content else ""
            rows.append(replace(row, content=content, benchmark=line.benchmark, facts=line.facts))
        except BadRow as bad:
            mistakes.append(_mistake(name, line, bad))
    return rows, mistakes


def _mistake(name: str, line: Line, bad: BadRow) -> Diagnostic:
    """Show the line, cut to a length that can be shown, under what is wrong with it."""
    shown = line.text[:SHOWN_LINE]
    source = Source(line.file or name, "\n" * (line.number - 1) + shown)
    start = source.starts[line.number - 1]
    return Diagnostic("E504", bad.message, Place(source, start, start + len(shown)), help=bad.help)


def _empty(name: str, rows: Sequence[EvaluationRow], split: str | None) -> Diagnostic:
    if not rows:
        return Diagnostic("E504", f"`{name}` has no rows", help=f"a row is {SHAPE}")
    splits = ", ".join(sorted({row.split for row in rows} - {""})) or "none"
    return Diagnostic(
        "E504", f"`{name}` has no rows of split `{split}`", help=f"use one of: {splits}"
    )

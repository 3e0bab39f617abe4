"""Pairs of answers of which one was preferred: what reward models are trained and measured on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from composer.data.reading import read
from composer.data.row import QUESTIONS, BadRow, Unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Preference", "preferences"]

SHAPE = '{"query": "2 + 2?", "chosen": "4", "rejected": "5"}'


class Preference(NamedTuple):
    """A question, and two answers to it of which the first one was preferred."""

    query: str
    chosen: str
    rejected: str


def preferences(path: str | Path) -> list[Preference]:
    """Read the pairs of a data file: rows with `query`, `chosen` and `rejected`.

    Raises CodedError (E501, E503, E504) where the file cannot be read, has a row that is no pair,
    or has none at all.
    """
    pairs = []
    for line in read(path):
        try:
            pairs.append(_pair(line.content))
        except BadRow as bad:
            text = f"`{path}`, line {line.number}: {bad.message}"
            raise Unreadable(bad.code, text, bad.help) from None
    if not pairs:
        raise Unreadable("E504", f"`{path}` has no pairs of answers", f"a row is {SHAPE}")
    return pairs


def _pair(row: Mapping[str, object] | BadRow) -> Preference:
    """Return the pair of a row; raises BadRow."""
    if isinstance(row, BadRow):
        raise row
    question = next((name for name in QUESTIONS if name in row), "query")
    texts = [row.get(name) for name in (question, "chosen", "rejected")]
    for name, text in zip(("query", "chosen", "rejected"), texts, strict=True):
        if not isinstance(text, str):
            raise BadRow(f"`{name}` must be a text", f"a row is {SHAPE}")
    return Preference(*map(str, texts))

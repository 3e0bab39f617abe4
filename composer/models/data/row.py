"""What a row of a data file must hold, and what is wrong with one that does not."""

from __future__ import annotations

import json
import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PAIRS", "SHAPE", "BadRow", "query_of", "recorded_of", "tags_of"]

SHAPE = '{"id": "q1", "query": "2 + 2?", "reference": "4", "tags": ["sums"]}'
ANSWERS = '"recorded": {"model": {"text": "...", "correct": true}}'

PAIRS = (("query", "reference"), ("question", "answer"), ("input", "target"))
"""The names that data sets give to a question and its answer; ours first."""


class BadRow(Exception):
    """A row that cannot be used, in words, with advice."""

    def __init__(self, message: str, advice: str = f"a row is {SHAPE}") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


def query_of(row: Mapping[str, object]) -> str:
    """Return the question: the `query`, under one of its names, else what the user said last."""
    asked = next((name for name, _ in PAIRS if name in row), None)
    query = _last(row.get("messages")) if asked is None else row[asked]
    if not isinstance(query, str) or not query.strip():
        raise BadRow('this row has no "query" in text')
    return query


def recorded_of(row: Mapping[str, object]) -> Mapping[str, Mapping[str, Any]]:
    """Return what was recorded of each model, nothing where nothing was."""
    given = row.get("recorded")
    if given is None:
        return MappingProxyType({})
    if isinstance(given, dict) and all(isinstance(one, dict) for one in given.values()):
        for name, outcome in given.items():
            _check(name, outcome)
        return given
    raise BadRow('"recorded" does not map models to answers', f"write {ANSWERS}")


def _check(name: str, outcome: Mapping[str, object]) -> None:
    """Raise BadRow where a label or a cost is out of its range."""
    for key in ("correct", "score"):
        label = outcome.get(key)
        if label is not None and not (_is_number(label) and 0 <= label <= 1):
            shown = json.dumps(label, ensure_ascii=False)
            said = f"`{name}` is labelled {shown} in `{key}`, which is not between 0 and 1"
            raise BadRow(said, "`correct` is true or false, a `score` between 0 and 1")
    cost = outcome.get("cost")
    if cost is not None and not (_is_number(cost) and 0 <= cost < math.inf):
        said = f"`{name}` has the cost {json.dumps(cost, ensure_ascii=False)}"
        raise BadRow(f"{said}, which is no amount of dollars", "a `cost` is 0 or more dollars")


def _is_number(value: object) -> TypeGuard[bool | int | float]:
    return isinstance(value, bool | int | float)


def tags_of(row: Mapping[str, object]) -> tuple[str, ...]:
    """Return the tags: a list of texts, or one text with semicolons."""
    given = row.get("tags") or ()
    if isinstance(given, str):
        return tuple(tag.strip() for tag in given.split(";") if tag.strip())
    if isinstance(given, list | tuple) and all(isinstance(tag, str) for tag in given):
        return tuple(given)
    raise BadRow('"tags" is not a list of texts')


def _last(messages: object) -> object:
    """What the user said last in a conversation."""
    turns = [one for one in messages if isinstance(one, dict)] if isinstance(messages, list) else []
    users = (one.get("content") for one in reversed(turns) if one.get("role") == "user")
    return next(users, None)

"""One row of a data file: a question, what counts as right, and what was recorded."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BadRowError", "Row", "row_of"]

PAIRS = (("query", "reference"), ("question", "answer"), ("input", "target"))
"""The names that data sets give to a question and its answer; ours first."""

OWN = frozenset({"id", "tags", "split", "recorded", "reference"})
"""Keys that are no business of the models that are asked."""


@dataclass(frozen=True)
class Row:
    """A question, the answers that count as right, and what is known of recorded answers."""

    id: str
    query: str
    references: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    split: str = ""
    recorded: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)

    def asked(self) -> dict[str, Any]:
        """What a recipe is given of the row: neither references nor judgements."""
        tags = {"tags": list(self.tags)} if self.tags else {}
        return {"id": self.id, "query": self.query, **tags, **self.fields}


class BadRowError(Exception):
    """A row that cannot be used, in words, with advice."""

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


def row_of(content: object, index: int) -> Row:
    """Make a row of what a line holds; `index` names a row without an id."""
    if isinstance(content, ValueError):
        raise BadRowError(f"this line is not JSON: {content}")
    if not isinstance(content, dict):
        raise BadRowError("this line is not a JSON object")
    asked, answered = next((pair for pair in PAIRS if pair[0] in content), PAIRS[0])
    query = content.get(asked, _last(content.get("messages")))
    if not isinstance(query, str) or not query.strip():
        raise BadRowError('this row has no "query" in text')
    given = content.get("reference", content.get(answered))
    return Row(
        id=str(content.get("id", index)),
        query=query,
        references=_references(given),
        tags=_tags(content.get("tags", ())),
        split=str(content.get("split") or ""),
        recorded=_recorded(content.get("recorded")),
        fields={k: v for k, v in content.items() if k not in OWN | {asked, answered}},
    )


def _last(messages: object) -> object:
    """What the user said last in a conversation."""
    turns = [one for one in messages if isinstance(one, dict)] if isinstance(messages, list) else []
    users = (one.get("content") for one in reversed(turns) if one.get("role") == "user")
    return next(users, None)


def _references(given: object) -> tuple[str, ...]:
    """One reference or several; a worked solution in GSM8K's style ends in `#### 18`."""
    if given is None or given == "":
        return ()
    return tuple(_plain(one) for one in (given if isinstance(given, list) else [given]))


def _plain(one: object) -> str:
    if not isinstance(one, str | int | float):
        raise BadRowError('"reference" is neither a text, a number nor a list of them')
    if isinstance(one, float) and one.is_integer():
        return str(int(one))
    return str(one).rpartition("####")[2].strip()


def _tags(given: object) -> tuple[str, ...]:
    if isinstance(given, str):
        return tuple(tag.strip() for tag in given.split(";") if tag.strip())
    if isinstance(given, list | tuple) and all(isinstance(tag, str) for tag in given):
        return tuple(given)
    raise BadRowError('"tags" is not a list of texts')


def _recorded(given: object) -> Mapping[str, Mapping[str, Any]]:
    if given is None:
        return MappingProxyType({})
    if isinstance(given, dict) and all(isinstance(one, dict) for one in given.values()):
        return given
    raise BadRowError(
        '"recorded" does not map models to answers',
        'write "recorded": {"model": {"text": "...", "correct": true}}',
    )

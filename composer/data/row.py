"""What a row of a data file must hold, and what is wrong with one that does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.diagnostics import nearest
from composer.diagnostics.errors import CodedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "ANSWERS",
    "JUDGED",
    "PAIRS",
    "QUESTIONS",
    "SHAPE",
    "BadRow",
    "Unreadable",
    "id_of",
    "misspelt",
    "pair_of",
    "references_of",
    "tags_of",
]

SHAPE = '{"id": "q1", "query": "2 + 2?", "reference": "4", "tags": ["sums"]}'

PAIRS = (
    ("query", "reference"),
    ("question", "answer"),
    ("instruction", "output"),
    ("input", "target"),
    ("prompt", "completion"),
)
"""The names that data sets give to a question and its answer; ours first."""

QUESTIONS = tuple(name for name, _ in PAIRS)
ANSWERS = tuple(name for _, name in PAIRS)

JUDGED = frozenset({"id", "tags", "split", "recorded", "reference", "audit", "grader"})
"""Fields that are no business of the models that are asked."""

_WORDS = (*QUESTIONS, *ANSWERS, "messages", "system", "recorded", "custom_id")
_ALIKE = (frozenset({*QUESTIONS, "messages"}), frozenset(ANSWERS))
_LEAST = 5
"""Shorter names are too easily near another one."""
_SLIP = 1.6
"""More than one letter, and room for the two that are swapped."""


class Unreadable(CodedError):
    """A file that cannot be read at all."""


class BadRow(CodedError):
    """A row that cannot be used; its reader adds the place."""

    def __init__(self, message: str, advice: str = f"a row is {SHAPE}") -> None:
        super().__init__("E504", message, advice)


def pair_of(row: Mapping[str, object]) -> tuple[str, str]:
    """Return the names of a row's question and of its answer: of the first pair that is there."""
    return next((pair for pair in PAIRS if row.get(pair[0]) is not None), PAIRS[0])


def id_of(row: Mapping[str, object]) -> str | None:
    """Return the id of a row, None where it has none; an id is a text or a number."""
    value = row.get("id")
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadRow('"id" must be a text or a number', 'write it as `"id": "q1"`')
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def tags_of(row: Mapping[str, object]) -> tuple[str, ...]:
    """Return the tags: a list of texts, or one text with semicolons."""
    tags = row.get("tags") or ()
    if isinstance(tags, str):
        return tuple(tag.strip() for tag in tags.split(";") if tag.strip())
    if isinstance(tags, list | tuple) and all(isinstance(tag, str) for tag in tags):
        return tuple(tags)
    raise BadRow('"tags" is not a list of texts')


def misspelt(names: Iterable[str]) -> tuple[str, str] | None:
    """Return a field's name that is a slip of one with a meaning, and that one; None without.

    One letter too many, too few, wrong or swapped is a slip, a plural is not, and neither is a
    name beside the one that was meant, or beside another name for the same.
    """
    present = frozenset(names)
    for name in sorted(present.difference(_WORDS, JUDGED)):
        meant = _meant(name)
        if meant is None or meant in present:
            continue
        if not any(meant in group and group & present for group in _ALIKE):
            return name, meant
    return None


def _meant(name: str) -> str | None:
    if name.lower() in JUDGED or name.lower() in _WORDS:
        return name.lower()
    if len(name) < _LEAST or not name.isalpha():
        return None
    near = nearest(name, _WORDS, _SLIP / len(name))
    return None if near is None or near in (f"{name}s", name.removesuffix("s")) else near


def references_of(given: object) -> tuple[str, ...]:
    """Return one reference or several; a worked solution in GSM8K's style ends in `#### 18`."""
    if given is None or given == "":
        return ()
    return tuple(_plain(one) for one in (given if isinstance(given, list) else [given]))


def _plain(one: object) -> str:
    if not isinstance(one, str | int | float):
        raise BadRow('"reference" must be a text, a number, or a list of them')
    if isinstance(one, float) and one.is_integer():
        return str(int(one))
    return str(one).rpartition("####")[2].strip()

"""The validation and test items: held-out inputs, written once as JSON lines."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

from composer.fit.zoo.skills import SKILLS, draw, half, reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUOTAS: dict[Literal["validation", "test"], int] = {"validation": 95, "test": 185}
TRIES = 40


class Recorded(TypedDict):
    """An answer of a model, and whether it is right."""

    text: str
    correct: bool
    logprob: float
    prompt_tokens: int
    completion_tokens: int


class Item(TypedDict):
    """A question of a split, with what models answered."""

    id: str
    query: str
    reference: str
    tags: list[str]
    recorded: NotRequired[dict[str, Recorded]]


def make(where: Literal["validation", "test"]) -> list[Item]:
    """Every item of a split, the skills in order, no query twice."""
    return [item for skill in SKILLS for item in _of(skill, where)]


def _of(skill: str, where: Literal["validation", "test"]) -> Iterator[Item]:
    """Up to a quota of items; skills with few inputs give fewer."""
    rng = Random(f"{where} {skill}")
    queries: set[str] = set()
    for _ in range(TRIES * QUOTAS[where]):
        question = draw(skill, rng, where)
        if question.query in queries or len(queries) == QUOTAS[where]:
            continue
        yield {
            "id": f"{skill}-{where[0]}{len(queries):04d}",
            "query": question.query,
            "reference": reference(question),
            "tags": [skill, half(skill)],
        }
        queries.add(question.query)


def read(path: Path) -> list[Item]:
    """Items of a JSON lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(items: list[Item], path: Path) -> None:
    """One item a line."""
    lines = (json.dumps(item, ensure_ascii=False) + "\n" for item in items)
    path.write_text("".join(lines), encoding="utf-8")

"""The skills by name and half, and the splits of their inputs."""

from __future__ import annotations

from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING, Literal, NamedTuple

from composer.fit.zoo import maths, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from composer.fit.zoo.maths import Draw

Split = Literal["train", "validation", "test"]
Half = Literal["maths", "text"]

_MATHS = (
    maths.add, maths.sub, maths.mul, maths.unit, maths.roman, maths.compare, maths.dates,
    maths.steps,
)  # fmt: skip
_TEXT = (
    text.reverse, text.letters, text.order, text.count, text.lookup, text.plural, text.past,
    text.logic, text.edge,
)  # fmt: skip
SKILLS: dict[str, Callable[[Random], Draw]] = {draw.__name__: draw for draw in (*_MATHS, *_TEXT)}
HALVES: dict[Half, tuple[str, ...]] = {
    "maths": tuple(draw.__name__ for draw in _MATHS),
    "text": tuple(draw.__name__ for draw in _TEXT),
}


class Question(NamedTuple):
    """A drawn question and the skill it belongs to."""

    skill: str
    content: str
    query: str
    answer: str


def half(skill: str) -> Half:
    """The half that a skill belongs to."""
    return "maths" if skill in HALVES["maths"] else "text"


def split(skill: str, content: str) -> Split:
    """Where an input belongs: nine in ten are trained on, the rest tested or validated on.

    The hash is of the content, not of the wording, so that no phrasing of a held-out input is
    ever seen in training.
    """
    mark = int.from_bytes(sha256(f"{skill}:{content}".encode()).digest()[:4], "big") % 30
    return "validation" if mark == 0 else "test" if mark in {1, 2} else "train"


def draw(skill: str, rng: Random, where: Split = "train") -> Question:
    """One question of a skill from one split."""
    while True:
        draw = SKILLS[skill](rng)
        if split(skill, draw.content) == where:
            return Question(skill, *draw)


def stream(skills: Sequence[str], seed: int | str, where: Split = "train") -> Iterator[Question]:
    """Questions without end, the skills in random order and equally often on average."""
    rng = Random(seed)
    while True:
        yield draw(rng.choice(skills), rng, where)


def last_number(answer: str) -> str | None:
    """The last run of digits in an answer."""
    digits = "".join(sign if sign.isascii() and sign.isdigit() else " " for sign in answer).split()
    return digits[-1] if digits else None


def reference(question: Question) -> str:
    """What a right answer is compared with: of written steps, the result only."""
    return question.answer.rsplit(" ", 1)[-1] if question.skill == "steps" else question.answer


def correct(answer: str, expected: str) -> bool:
    """Whether an answer is right: by its last number if one is expected, else by its text."""
    if expected.isascii() and expected.isdigit():
        return last_number(answer) == expected
    return answer.strip() == expected

"""Chains of arithmetic with right and wrong steps: what a process-reward model learns from."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, NamedTuple

from composer.fit.zoo.maths import Draw, chain
from composer.fit.zoo.skills import SKILLS, split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from composer.fit.zoo.skills import Split

LENGTHS = (2, 3, 3, 4)
"""Operations of a chain; the skill itself has two or three."""

WRONG_SHARE = 0.7
SIGNS = {"add": "+", "minus": "-", "times": "*"}
NEAR = (-10, -2, -1, 1, 2, 10)
"""How far a wrong number is from the right one."""

RIGHT = "right"
"""The kind of a step that is as it should be."""


class Operation(NamedTuple):
    """What is done to a value."""

    sign: str
    n: int

    def result(self, value: int) -> int:
        """Return the value after it."""
        if self.sign == "*":
            return value * self.n
        return value + self.n if self.sign == "+" else value - self.n

    def line(self, value: int) -> str:
        """Write it as a step."""
        return f"{value}{self.sign}{self.n}={self.result(value)}"


class Place(NamedTuple):
    """Where a chain stands: its operations, the values so far, the last of them the present one."""

    operations: tuple[Operation, ...]
    values: tuple[int, ...]

    @property
    def value(self) -> int:
        """The present value."""
        return self.values[-1]

    @property
    def at(self) -> int:
        """How many operations are done."""
        return len(self.values) - 1

    @property
    def over(self) -> bool:
        """Whether only the answer is left."""
        return self.at == len(self.operations)

    @property
    def next(self) -> Operation:
        """The operation that comes next."""
        return self.operations[self.at]


class LabelledStep(NamedTuple):
    """A step, what was done to it, and how many of its first letters are right."""

    text: str
    kind: str
    right: int

    @property
    def good(self) -> bool:
        """Whether it is right."""
        return self.kind == RIGHT


class LabelledChain(NamedTuple):
    """A question, and an answer of labelled steps."""

    query: str
    steps: tuple[LabelledStep, ...]


def _result(place: Place, rng: Random) -> str | None:
    """The next operation with a wrong result."""
    if place.over:
        return None
    wrong = _near(place.next.result(place.value), rng)
    return f"{place.value}{place.next.sign}{place.next.n}={wrong}"


def _number(place: Place, rng: Random) -> str | None:
    """Another number than the question's."""
    if place.over:
        return None
    numbers = (2, 3) if place.next.sign == "*" else range(2, 10)
    return Operation(place.next.sign, rng.choice(numbers)).line(place.value)


def _operation(place: Place, rng: Random) -> str | None:
    """Another operation than the question's."""
    if place.over:
        return None
    return Operation(rng.choice(list(SIGNS.values())), place.next.n).line(place.value)


def _start(place: Place, rng: Random) -> str | None:
    """The next operation on another value than the present one."""
    return None if place.over else place.next.line(_other_value(place, rng))


def _skipped(place: Place, rng: Random) -> str | None:
    """A later operation than the next one."""
    later = place.operations[place.at + 1 :]
    return rng.choice(later).line(place.value) if later else None


def _repeated(place: Place, rng: Random) -> str | None:
    """A step that is already done, as it was written."""
    if not place.at:
        return None
    at = rng.randrange(place.at)
    return place.operations[at].line(place.values[at])


def _early(place: Place, rng: Random) -> str | None:
    """The answer while there is more to do."""
    del rng
    return None if place.over else f"answer {place.value}"


def _answer(place: Place, rng: Random) -> str | None:
    """An answer that is not the last result."""
    return f"answer {_other_value(place, rng)}" if place.over else None


def _extra(place: Place, rng: Random) -> str | None:
    """A step where the answer is due."""
    more = Operation(rng.choice(("+", "-")), rng.randint(2, 9))
    return more.line(place.value) if place.over else None


def _foreign(place: Place, rng: Random) -> str | None:
    """The answer to a question of another skill."""
    del place
    skill = rng.choice([name for name in SKILLS if name != "steps"])
    return SKILLS[skill](rng).answer


CORRUPTIONS: dict[str, Callable[[Place, Random], str | None]] = {
    "result": _result,
    "number": _number,
    "operation": _operation,
    "start": _start,
    "skipped": _skipped,
    "repeated": _repeated,
    "early": _early,
    "answer": _answer,
    "extra": _extra,
    "foreign": _foreign,
}
"""What can be done to a step, by name; None where a place has no such step."""


def _near(value: int, rng: Random) -> int:
    """A number near another one."""
    return rng.choice([value + far for far in NEAR if value + far >= 0])


def _other_value(place: Place, rng: Random) -> int:
    """An earlier value, or one near the present value."""
    return rng.choice([*place.values[:-1], _near(place.value, rng)])


def stream(seed: int | str, where: Split, lengths: Sequence[int] = LENGTHS) -> Iterator[Draw]:
    """Chains without end of one split, whose inputs are split as those of the skill."""
    rng = Random(seed)
    while True:
        draw = chain(rng, lengths)
        if split("steps", draw.content) == where:
            yield draw


def labelled(draw: Draw, rng: Random, wrong_share: float = WRONG_SHARE) -> LabelledChain:
    """A chain as it is, or up to a wrong step: nobody can say what is right behind that."""
    first, *named = draw.content.split(", ")
    operations = tuple(
        Operation(SIGNS[verb], int(n)) for verb, n in (each.split() for each in named)
    )
    values = [int(first)]
    for each in operations:
        values.append(each.result(values[-1]))
    right = draw.answer.split("\n")
    good = [LabelledStep(text, RIGHT, len(text)) for text in right]
    if rng.random() >= wrong_share:
        return LabelledChain(draw.query, tuple(good))
    at = rng.randrange(len(right))
    kind, wrong = _wrong(Place(operations, tuple(values[: at + 1])), right[at], rng)
    bad = LabelledStep(wrong, kind, _equal_letters(wrong, right[at]))
    return LabelledChain(draw.query, (*good[:at], bad))


def _equal_letters(one: str, other: str) -> int:
    """How many letters two texts have in common at their beginnings."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _wrong(place: Place, right: str, rng: Random) -> tuple[str, str]:
    """A wrong step that does not come to what the right one comes to, and its kind."""
    while True:
        kind = rng.choice(list(CORRUPTIONS))
        wrong = CORRUPTIONS[kind](place, rng)
        if wrong is not None and _comes_to(wrong) != _comes_to(right):
            return kind, wrong


def _comes_to(step: str) -> str:
    """The value of a step, or the answer's line."""
    return step.rpartition("=")[2]

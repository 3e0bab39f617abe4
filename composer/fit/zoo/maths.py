"""Skills of the maths half: each draws one question with its answer."""

# ruff: noqa: PLR2004, SIM905 - shares and counts are read best where they are drawn

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

YEAR = 2023  # any that is no leap year
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = (
    "January February March April May June July August September October November December".split()
)
UNITS = (
    ("kilometres", "metres", 1000, 99),
    ("metres", "centimetres", 100, 99),
    ("centimetres", "millimetres", 10, 99),
    ("kilograms", "grams", 1000, 99),
    ("litres", "millilitres", 1000, 99),
    ("hours", "minutes", 60, 25),
    ("minutes", "seconds", 60, 25),
    ("days", "hours", 24, 15),
    ("weeks", "days", 7, 30),
    ("years", "months", 12, 30),
)
NUMERALS = (
    (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"),
    (1, "I"),
)  # fmt: skip


class Draw(NamedTuple):
    """One question: what it is about (the key that decides its split), its wording, its answer."""

    content: str
    query: str
    answer: str


def add(rng: Random) -> Draw:
    """The sum of two numbers below 100."""
    a, b = rng.randint(3, 99), rng.randint(3, 99)
    forms = (
        "What is {} plus {}?",
        "Add {} and {}.",
        "{} + {} = ?",
        "What is the sum of {} and {}?",
    )
    return Draw(f"{min(a, b)} {max(a, b)}", rng.choice(forms).format(a, b), str(a + b))


def sub(rng: Random) -> Draw:
    """The difference of two numbers below 100, never negative."""
    a, b = sorted((rng.randint(3, 99), rng.randint(3, 99)), reverse=True)
    forms = (
        "What is {a} minus {b}?",
        "Subtract {b} from {a}.",
        "{a} - {b} = ?",
        "Take {b} away from {a}.",
    )
    return Draw(f"{a} {b}", rng.choice(forms).format(a=a, b=b), str(a - b))


def mul(rng: Random) -> Draw:
    """One digit times a number up to 50, in either order."""
    a, b = rng.randint(2, 9), rng.randint(2, 50)
    first, second = (a, b) if rng.random() < 0.5 else (b, a)
    forms = ("What is {} times {}?", "Multiply {} by {}.", "{} * {} = ?", "What is {} by {}?")
    query = rng.choice(forms).format(first, second)
    return Draw(f"{min(a, b)} {max(a, b)}", query, str(a * b))


def unit(rng: Random) -> Draw:
    """An amount said in a smaller unit."""
    big, small, factor, most = rng.choice(UNITS)
    n = rng.randint(2, most)
    forms = (
        "How many {small} are {n} {big}?",
        "Convert {n} {big} to {small}.",
        "{n} {big} in {small}?",
        "Change {n} {big} into {small}.",
    )
    query = rng.choice(forms).format(n=n, big=big, small=small)
    return Draw(f"{n} {big}", query, str(n * factor))


def numeral(n: int) -> str:
    """Roman numerals of a number from 1 to 399."""
    signs = []
    for value, sign in NUMERALS:
        count, n = divmod(n, value)
        signs.append(sign * count)
    return "".join(signs)


def roman(rng: Random) -> Draw:
    """A number to roman numerals, or back."""
    n = rng.randint(1, 399)
    if rng.random() < 0.5:
        forms = ("Write {} in roman numerals.", "What is {} in roman numerals?", "{} as roman?")
        return Draw(str(n), rng.choice(forms).format(n), numeral(n))
    forms = ("What number is {}?", "Write the roman numeral {} in digits.", "{} as a number?")
    return Draw(str(n), rng.choice(forms).format(numeral(n)), str(n))


def compare(rng: Random) -> Draw:
    """The larger or smaller of two numbers."""
    top = rng.choice((99, 999))
    a, b = rng.sample(range(1, top + 1), 2)
    large = rng.random() < 0.5
    forms = (
        "Which is {}, {} or {}?",
        "Name the {} number: {} or {}.",
        "Which number is {}: {} or {}?",
    )
    query = rng.choice(forms).format("larger" if large else "smaller", a, b)
    return Draw(f"{a} {b}", query, str(max(a, b) if large else min(a, b)))


def dates(rng: Random) -> Draw:
    """A date some days before or after another, or a weekday."""
    return _weekday(rng) if rng.random() < 0.3 else _date(rng)


def _weekday(rng: Random) -> Draw:
    at, n, way = rng.randrange(7), rng.randint(2, 6), rng.choice(("after", "before"))
    forms = ("Which day is {}?", "What day comes {}?", "What weekday is {}?")
    task = f"{n} days {way} {WEEKDAYS[at]}"
    answer = WEEKDAYS[(at + (n if way == "after" else -n)) % 7]
    return Draw(task, rng.choice(forms).format(task), answer)


def _date(rng: Random) -> Draw:
    start = date(YEAR, 1, 1) + timedelta(days=rng.randrange(365))
    n, way = rng.randint(2, 9), rng.choice(("after", "before"))
    forms = ("What date is {}?", "Which date comes {}?", "Give the date {}.")
    task = f"{n} days {way} {_said(start)}"
    answer = start + timedelta(days=n if way == "after" else -n)
    return Draw(task, rng.choice(forms).format(task), _said(answer))


def _said(day: date) -> str:
    return f"{day.day} {MONTHS[day.month - 1]}"


def steps(rng: Random) -> Draw:
    """A short chain of arithmetic, answered one step a line and closed by the result."""
    return chain(rng, (2, 3, 3))


def chain(rng: Random, lengths: Sequence[int]) -> Draw:
    """A chain of one of some lengths."""
    value = first = rng.randint(2, 20)
    operations, shown = [], []
    for _ in range(rng.choice(lengths)):
        verb, sign, n, after = _move(rng, value)
        operations.append(f"{verb} {n}")
        shown.append(f"{value}{sign}{n}={after}")
        value = after
    opening = rng.choice(("Start with {}", "Take {}", "Begin at {}")).format(first)
    content = ", ".join((str(first), *operations))
    return Draw(
        content, ", ".join((opening, *operations)) + ".", "\n".join((*shown, f"answer {value}"))
    )


def _move(rng: Random, value: int) -> tuple[str, str, int, int]:
    n = rng.randint(2, 9)
    kinds = ["add"] + ["times"] * (value <= 30) + ["minus"] * (value > n)
    kind = rng.choice(kinds)
    if kind == "times":
        n = rng.choice((2, 3))
        return kind, "*", n, value * n
    return (kind, "+", n, value + n) if kind == "add" else (kind, "-", n, value - n)

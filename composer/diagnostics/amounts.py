"""Numbers in sentences: `1 row`, `2 queries`, `0.0000102`, `$0.0000102`."""

from __future__ import annotations

import math
import re
from decimal import Decimal

__all__ = [
    "bytes_of",
    "cost_text",
    "counted",
    "in_dollars",
    "in_seconds",
    "number_text",
    "plural",
    "size_text",
]

HISSING = ("s", "x", "z", "ch", "sh")
"""How nouns end that take `es`."""

PLAIN = (1e-15, 1e15)
"""Numbers between these are written in digits; those beyond have an exponent."""


UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
"""The units of sizes, by their first letters."""


BINARY_UNITS = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
"""The units in which bytes are shown."""


def bytes_of(size: str) -> int | None:
    """Return how many bytes a size has: `500`, `64 KB`, `2 GB`; None for what is no size."""
    text = size.strip()
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?)\s*([kmgt]?)b?", text, re.ASCII | re.IGNORECASE)
    return None if match is None else int(float(match[1]) * UNITS[match[2].lower()])


def size_text(count: float) -> str:
    """Write a number of bytes: `1.5 GiB`, `512 B`."""
    for unit, name in BINARY_UNITS:
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count:.0f} B"


def plural(noun: str) -> str:
    """Return the regular plural of a noun: `rows`, `queries`, `branches`."""
    if noun.endswith(HISSING):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def counted(number: int, noun: str) -> str:
    """Write a number of things: `1 row`, `1,200 rows`, `2 branches`."""
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def number_text(value: float, digits: int = 6) -> str:
    """Write a number with so many significant digits and without an exponent: `0.0000102`."""
    text = f"{value:.{digits}g}"
    low, high = PLAIN
    if "e" not in text or not low <= abs(value) < high:
        return text
    return f"{Decimal(text):f}"


def in_seconds(time: float) -> str:
    """Write a time that a person chose: `1 second`, `0.5 seconds`."""
    return f"{number_text(time)} {'second' if time == 1 else 'seconds'}"


def in_dollars(amount: float) -> str:
    """Write an amount that a person chose, such as a price or a budget, with all its digits."""
    return _signed(amount, number_text(abs(amount), 12))


def cost_text(amount: float) -> str:
    """Write a measured cost: cents from a dollar on, below that three significant digits."""
    small = abs(amount) < 1 or not math.isfinite(amount)
    return _signed(amount, number_text(abs(amount), 3) if small else f"{abs(amount):,.2f}")


def _signed(amount: float, text: str) -> str:
    return f"{'-' * (amount < 0)}${text}"

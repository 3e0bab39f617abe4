"""Patterns that others wrote, matched under a limit of time."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import regex

if TYPE_CHECKING:
    from regex import Match, Pattern

__all__ = ["PatternError", "PatternTimeout", "compile_pattern", "find_matches"]

SECONDS = 2.0
"""How long the matches of one text may take."""

_LONGEST = 10_000
_LARGEST = 100_000
_PLAIN = {
    "missing ), unterminated subpattern": "the `(` at character {} is never closed",
    "unbalanced parenthesis": "the `)` at character {} has no `(` before it",
    "unterminated character set": "the `[` at character {} is never closed",
    "nothing to repeat": "there is nothing to repeat before character {}",
}
_COUNT = re.compile(r"\{(\d*)(,?)(\d*)\}")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]?", re.DOTALL)


class PatternError(Exception):
    """A pattern that cannot be read; `position` is where, counted from 0, if that is known."""

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


class PatternTimeout(Exception):  # noqa: N818 - a time-out is what it is
    """A pattern that takes too long on a text."""


@lru_cache(maxsize=256)
def compile_pattern(pattern: str) -> Pattern[str]:
    """Read a pattern in the language of `re`; raises PatternError, in words."""
    if len(pattern) > _LONGEST:
        raise PatternError(f"it has more than {_LONGEST:,} characters")
    if _repeated(pattern) > _LARGEST:
        raise PatternError("it has too many nested repetitions")
    try:
        return regex.compile(pattern, regex.VERSION0)
    except regex.error as error:
        raise _mistake(pattern, str(error.msg), error.pos) from None
    except ValueError as error:
        raise PatternError(str(error)) from None
    except (RecursionError, MemoryError, OverflowError):
        raise PatternError("it is nested too deep") from None


def find_matches(pattern: str, text: str, seconds: float = SECONDS) -> list[Match[str]]:
    """Return all matches, left to right; raises PatternTimeout when that takes too long."""
    try:
        return list(compile_pattern(pattern).finditer(text, timeout=seconds, concurrent=True))
    except (TimeoutError, MemoryError):
        raise PatternTimeout from None


def _mistake(pattern: str, message: str, position: int | None) -> PatternError:
    """Say what is wrong as `re` does, whose places are better, where it agrees."""
    try:
        re.compile(pattern)
    except re.error as error:
        message, position = error.msg, error.pos
    plain = next((text for words, text in _PLAIN.items() if message.startswith(words)), None)
    if plain is None or position is None:
        return PatternError(message, position)
    return PatternError(plain.format(position + 1))


def _repeated(pattern: str) -> int:
    """Return how long a pattern becomes at most when counted repetitions are written out."""
    sizes, at, last = [0], 0, 0
    while at < len(pattern):
        counted = _COUNT.match(pattern, at) if pattern[at] == "{" else None
        if counted is not None:
            times = max(int(number or 0) for number in (counted[1][:9], counted[3][:9]))
            sizes[-1] += last * max(times - 1, 0)
            last *= max(times, 1)
            at = counted.end()
            continue
        sign, last = pattern[at], 1
        if sign == "(":
            sizes.append(0)
        elif sign == ")" and len(sizes) > 1:
            last = sizes.pop()
        if sign != "(":
            sizes[-1] += last
        skipped = _CLASS.match(pattern, at) if sign == "[" else None
        at = skipped.end() if skipped else at + 1 + (sign == "\\")
    return sum(sizes)

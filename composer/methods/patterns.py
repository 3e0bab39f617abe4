"""Regular expressions of recipes: checked when they are read, and run within a time limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.diagnostics.amounts import counted
from composer.methods.mistakes import PartError

if TYPE_CHECKING:
    from regex import Match


def readable_pattern(regex: str) -> str:
    """Return a regular expression; raises ValueError where it is none, or too large."""
    from composer.sandbox.patterns import PatternError, compile_pattern

    try:
        compile_pattern(regex)
    except PatternError as error:
        where = "" if error.position is None else f" at character {error.position + 1}"
        raise ValueError(f"the pattern is not valid{where}: {error.message}") from None
    return regex


def matches_of(regex: str, text: str) -> list[Match[str]]:
    """Return all matches in an answer; raises PartError where that takes too long."""
    from composer.sandbox.patterns import PatternTimeout, find_matches

    try:
        return find_matches(regex, text)
    except PatternTimeout:
        raise PartError(
            "E702",
            f"the pattern `{regex}` takes too long on an answer of "
            f"{counted(len(text), 'character')}",
            "change it so that no two of its repetitions can match the same characters",
        ) from None

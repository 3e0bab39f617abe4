"""Reading numbers out of answers."""

from __future__ import annotations

import re

__all__ = ["last_number", "number", "numbers"]

_NUMBER = re.compile(
    r"""(?<![\w.])                                     # not inside a word or another number
        [-+\u2212]? (?:[$\u20ac\u00a3]\ ?)? [-+\u2212]?
        (?: \d{1,3}(?:,\d{3})+(?!\d) (?:\.\d+)?        # 1,000.5
          | \d+(?:\.\d+)?                              # 1000.5
          | \.\d+ )                                    # .5
        (?:[eE][-+]?\d{1,3})?""",
    re.VERBOSE,
)
_SILENT = str.maketrans({",": "", "$": "", "\u20ac": "", "\u00a3": "", " ": "", "\u2212": "-"})


def numbers(text: str) -> list[float]:
    """Read every number of a text: `1,000`, `$5`, `-42.0` and `1e3` are one each."""
    return [_value(match[0]) for match in _NUMBER.finditer(text)]


def last_number(text: str) -> float | None:
    """Read the last number of a text, which in a worked solution is its answer."""
    found = numbers(text)
    return found[-1] if found else None


def number(text: str) -> float | None:
    """Read a text that is nothing but a number, perhaps with a currency, a per cent or a stop."""
    bare = text.strip().rstrip(".").rstrip("%").rstrip()
    match = _NUMBER.fullmatch(bare)
    return _value(match[0]) if match else None


def _value(text: str) -> float:
    plain = text.translate(_SILENT)
    return float(plain[1:] if plain.startswith(("--", "-+", "+-", "++")) else plain)

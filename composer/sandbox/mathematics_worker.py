"""The process that reads and compares mathematics: a request a line, a reply a line, as JSON."""

from __future__ import annotations

import json
import re
import sys
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sympy import Basic

_MEMORY = 2 << 30
_SIGNED = re.compile(r"\$|\\boxed|\\\(|\\\[")
_TEXTS = re.compile(r"\\(?:text|mathrm|mbox|operatorname)\s*\{[^{}]*\}")
_NAMES = re.compile(r"(?<![\\a-zA-Z])(?:sqrt|pi|sin|cos|tan|log|ln|exp|inf|infinity|oo)\b")
_WORD = re.compile(r"(?<![\\a-zA-Z])[A-Za-z]{3,}")
_SHORT = re.compile(r"(?<![\\a-zA-Z])[A-Za-z]{2}\b")
_SIGNS = re.compile(r"[\d\\^+*/=<>{}\u221a\u03c0\u221e\u222a]")
_PLAIN = (
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"(?<!\\)\bsqrt\s*\(([^()]*)\)"), r"\\sqrt{\1}"),
    (re.compile(r"\u221a\s*\(([^()]*)\)"), r"\\sqrt{\1}"),
    (re.compile(r"\u221a\s*(\w+)"), r"\\sqrt{\1}"),
    (re.compile(r"(?<!\\)\bpi\b|\u03c0"), r"\\pi "),
    (re.compile(r"(?<!\\)\b(?:inf|infinity|infty|oo)\b|\u221e"), r"\\infty "),
    (re.compile(r"\u222a"), r"\\cup "),
    (re.compile(r"(?<![\\\d])%|(?<=\d)\s*%"), r"\\%"),
    (re.compile(r"\u2212"), "-"),
    (re.compile(r"\A\s*\{(.*)\}\s*\Z", re.DOTALL), r"\\{\1\\}"),
)
_AFTER = re.compile(r"(?i:\banswer\b(?:\s+is)?)[\s:=*]*")
_VERB = re.compile(r"(?i:\b(?:is|are|be|equals?|gives?|get|yields?|or)\b)|:")


@lru_cache(maxsize=4096)
def expression(text: str) -> Basic | None:
    """Return what a text means as mathematics, None where it is none."""
    from math_verify import parse

    if not _SIGNED.search(text):
        if not is_mathematics(text):
            return None
        for pattern, tex in _PLAIN:
            text = pattern.sub(tex, text)
        text = f"${text}$"
    parsed = parse(text, parsing_timeout=None)
    return None if not parsed or isinstance(parsed[0], str) else _side(parsed[0]).doit()


def is_mathematics(text: str) -> bool:
    """Whether a text without TeX around it is an expression, and no words."""
    bare = _NAMES.sub("1", _TEXTS.sub("", text))
    if not _SIGNS.search(bare) or _WORD.search(bare):
        return False
    short = _SHORT.findall(bare)
    return not short or (len(short) == 1 and bool(re.search(r"[\\^=+*/]", bare)))


def _side(value: Basic) -> Basic:
    """Return the right side of `x = 5`, which says the same as `5`, and the set of `x < 5`."""
    from sympy import Equality, Symbol
    from sympy.logic.boolalg import Boolean

    if isinstance(value, Equality):
        side: Basic = value.rhs if isinstance(value.lhs, Symbol) else value
        return side
    if isinstance(value, Boolean) and len(value.free_symbols) == 1:
        solutions: Basic = value.as_set()
        return solutions
    return value


def last_expression(text: str) -> str | None:
    """Return the last answer of a text as it is written, without the signs around it."""
    from math_verify import parse

    if _SIGNED.search(text):
        parsed = parse(text, parsing_timeout=None)
        return str(parsed[1]) if len(parsed) > 1 else None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    tails = [*_AFTER.split(text)[1:][-1:], *lines[-1:]]
    for tail in tails:
        line = _VERB.split(tail.strip().partition("\n")[0])[-1]
        candidate = line.strip(" *`").rstrip(". ")
        if candidate and expression(candidate) is not None:
            return candidate
    return None


def understood(text: str) -> str | None:
    """Return what a text means, written in one way; what cannot be worked out takes too long."""
    value = expression(text)
    if value is not None and getattr(value, "is_number", False):
        value.evalf(15)
    return None if value is None else str(value)


def same(left: str, right: str) -> bool:
    """Whether two texts have one value, by sympy; decimals are rounded to six places."""
    from math_verify import verify

    first, second = expression(left), expression(right)
    if first is None or second is None or _kind(first) != _kind(second):
        return False
    return bool(
        verify([first], [second], timeout_seconds=None)
        or verify([second], [first], timeout_seconds=None)
    )


def _kind(value: Basic) -> str:
    from sympy import FiniteSet, Interval, Matrix, Set, Tuple, Union

    if isinstance(value, FiniteSet):
        return "values"
    for kind, name in ((Interval | Union | Set, "interval"), (Tuple, "tuple"), (Matrix, "matrix")):
        if isinstance(value, kind):
            return name
    return "interval" if getattr(value, "is_Relational", False) else "expression"


def answer(request: list[str]) -> object:
    """Return the reply to one request."""
    match request:
        case ["read", text]:
            return last_expression(text)
        case ["value", text]:
            return understood(text)
        case ["same", left, right]:
            return same(left, right)
    return None


def main() -> None:
    """Answer requests until there are no more."""
    import logging
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    logging.disable()
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line))
        except Exception:  # noqa: BLE001 - sympy raises whatever it likes on strange expressions
            reply = None
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

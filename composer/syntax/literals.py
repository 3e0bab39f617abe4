"""Numbers, strings and templates read from their text."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import TYPE_CHECKING

from composer.words import Diagnostic, Mistakes

if TYPE_CHECKING:
    from composer.syntax.lexemes import Lexeme

ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
"""What a backslash and a letter stand for in a string."""

ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)


def number(lexeme: Lexeme) -> int | float:
    """Read a number."""
    text = lexeme.text
    return float(text) if any(sign in text for sign in ".eE") else int(text)


def string(lexeme: Lexeme) -> str:
    """Read a string in double quotes, its escapes resolved."""

    def replace(match: re.Match[str]) -> str:
        digits = match[1] or match[2]
        if digits:
            return chr(int(digits, 16))
        if match[3] not in ESCAPES:
            raise Mistakes([Diagnostic("E108", f"unknown escape `{match[0]}`", lexeme.place)])
        return ESCAPES[match[3]]

    return ESCAPED.sub(replace, lexeme.text[1:-1])


def template(lexeme: Lexeme) -> str:
    """Read a template in triple quotes: the first line break dropped, the rest dedented."""
    text = lexeme.text[3:-3]
    return dedent(text[1:]) if text.startswith("\n") else text

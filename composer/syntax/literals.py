"""Numbers, strings and templates read from their text, and templates written back."""

from __future__ import annotations

import math
import re
from textwrap import dedent
from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic, Mistakes, Place

if TYPE_CHECKING:
    from composer.syntax.lexemes import Lexeme

ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f"}
"""What a backslash and a letter stand for in a string."""

ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")

MOST_DIGITS = 300

HELD_BACK = re.compile(r'(?<=\\)"|"{3,}|"+\Z')
"""Quotes that would end a template, or that a backslash before them would take in."""

NOTHING = "{##}"
"""A comment of Jinja: it gives no text, and parts what must not touch."""


def number(lexeme: Lexeme) -> int | float:
    """Read a number."""
    text = lexeme.text
    if len(text) <= MOST_DIGITS:
        value = float(text) if any(sign in text for sign in ".eE") else int(text)
        if math.isfinite(value):
            return value
    raise Mistakes([Diagnostic("E109", "this number is too large", lexeme.place)])


def string(lexeme: Lexeme) -> str:
    """Read a string in double quotes, its escapes resolved."""
    text = lexeme.text[1:-1]
    if "\\" not in text:
        return text
    return ESCAPED.sub(lambda match: _escape(match, lexeme.place), text)


def template(lexeme: Lexeme) -> str:
    r"""Read a template in triple quotes.

    If it begins with a line break, that is dropped and the rest dedented; else it is taken as
    it stands. The only escape is `\"`, so that `\boxed{}` and the like need none.
    """
    text = lexeme.text[3:-3]
    return (dedent(text[1:]) if text.startswith("\n") else text).replace('\\"', '"')


def templated(text: str) -> str:
    """Write a text as a template that reads back as the same text, or renders as it."""
    if text.startswith("\n") and dedent(text) != text:
        text = NOTHING + text
    if text.endswith("\\"):
        text += NOTHING
    lead = "\n" if text.startswith("\n") else ""
    escaped = HELD_BACK.sub(lambda match: '\\"' * len(match[0]), text)
    return f'"""{lead}{escaped}"""'


def quoted(text: str) -> str:
    """Write a text as a string in double quotes, on one line."""
    return f'"{"".join(map(_written, text))}"'


def _escape(match: re.Match[str], place: Place) -> str:
    digits, letter = match[1] or match[2], match[3]
    if letter in ESCAPES:
        return ESCAPES[letter]
    code = int(digits, 16) if digits else -1
    if code < 0 or code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        start = place.start + 1 + match.start()
        here = Place(place.source, start, start + len(match[0]))
        message = f"`{match[0]}` is not an escape"
        help_ = 'write `\\\\` for a backslash; the escapes are \\" \\\\ \\n \\t \\r \\b \\f \\u1234'
        raise Mistakes([Diagnostic("E107", message, here, help=help_)])
    return chr(code)


def _written(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    if letter.isprintable():
        return letter
    if letter in "\n\t\r":
        return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}[letter]
    return f"\\u{ord(letter):04x}" if ord(letter) <= 0xFFFF else f"\\U{ord(letter):08x}"

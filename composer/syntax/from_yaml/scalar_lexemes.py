"""Expressions inside of YAML's scalars: their lexemes with places in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.diagnostics import Place, Source
from composer.syntax.grammar import lark
from composer.syntax.lexemes import Lexeme, lexemes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.syntax.from_yaml.nodes import Scalar

BLANK = " \t\n"

ESCAPED = {"'": "'", '"': "\\"}
"""What stands before a character that could not stand alone in such quotes."""


def lexed(scalar: Scalar) -> Iterator[Lexeme]:
    """Give the lexemes of a scalar; each stands where it was written, if that can be told."""
    source = scalar.place.source
    at = offsets(scalar)
    for lexeme in lexemes(lark(), Source(source.name, scalar.value)):
        start, end = lexeme.place.start, lexeme.place.end
        place = Place(source, at[start], at[end - 1] + 1) if at and end > start else scalar.place
        yield Lexeme(lexeme.type, lexeme.text, place)


def offsets(scalar: Scalar) -> list[int] | None:
    """Tell for each character of a scalar where it stands in the file."""
    text, end = scalar.place.source.text, scalar.place.end
    quote = scalar.place.text[:1]
    at = scalar.place.start + (quote in "\"'")
    if quote in "|>":
        at = text.find("\n", at) + 1
    places: list[int] = []
    for letter in scalar.value:
        if letter in BLANK:
            places.append(min(at, end - 1))
            at += at < end and text[at] == letter
            continue
        while at < end and text[at] in BLANK:
            at += 1
        at += text[at : at + 2] == ESCAPED.get(quote, "\0") + letter
        if at >= end or text[at] != letter:
            return None
        places.append(at)
        at += 1
    return places

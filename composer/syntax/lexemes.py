"""Recipe text cut into lexemes by the grammar's terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.diagnostics import Place, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark import Lark, Token


class Lexeme:
    """A terminal's name, its text, and its place; what the parser is fed."""

    __slots__ = ("place", "text", "type")

    def __init__(self, type: str, text: str, place: Place) -> None:  # noqa: A002 - Lark's word
        self.type = type
        self.text = text
        self.place = place

    def __repr__(self) -> str:
        return f"{self.type}({self.text!r})"


def lexemes(lark: Lark, source: Source) -> Iterator[Lexeme]:
    """Give the lexemes of a source, line breaks and comments among them."""
    interactive = lark.parse_interactive(source.text)
    tokens: Iterator[Token] = interactive.lexer_thread.lex(  # type: ignore[no-untyped-call]
        interactive.parser_state
    )
    for token in tokens:
        start = token.start_pos or 0
        text: str = token.value
        yield Lexeme(token.type, text, Place(source, start, start + len(text)))

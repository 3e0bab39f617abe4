"""Recipe text cut into lexemes, and the kinds of lexemes, as the grammar names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.diagnostics import Place, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark import Lark, Token

STATEMENTS = {
    "USE": "use",
    "MODEL": "model",
    "PARAM": "param",
    "LET": "let",
    "DEF": "def",
    "DEFAULT": "default",
    "EXAMPLE": "example",
}
"""The words that begin a statement."""

WORDS = frozenset({"AND", "OR", "NOT", "TRUE", "FALSE", "NONE"})
"""The reserved words inside expressions."""

LITERALS = frozenset({"NUMBER", "STRING", "TEMPLATE", "TRUE", "FALSE", "NONE"})
OPENS = {"LPAR": "RPAR", "LSQB": "RSQB"}
CLOSES = {"RPAR": "LPAR", "RSQB": "LSQB"}

ARITHMETIC = frozenset({"PLUS", "MINUS", "STAR", "SLASH"})
OPERATORS = frozenset({"ARROW", "BAR", "OR", "AND", "COMPARISON"}) | ARITHMETIC
"""The signs and words that stand between two operands."""

CONTINUES = OPERATORS | {"NOT", "EQUAL", "COMMA", "COLON"}
"""After these a statement goes on in the next line."""

GOES_ON = frozenset({"ARROW", "BAR"})
"""A line that begins with one of these belongs to the line before."""

OPERANDS = LITERALS | {"NAME", "LPAR", "LSQB"}
"""An operand can begin with these."""

ASIDE = ("COMMENT", "NEWLINE")
"""What no rule of the grammar mentions, but the reader of a file needs."""

UNREADABLE = (
    "CONFLICT",
    "FOREIGN",
    "OPEN_TEMPLATE",
    "OPEN_STRING",
    "QUOTED",
    "BAD_NUMBER",
    "BAD_NAME",
    "STRAY",
)
"""What the lexer takes in only so that it can be refused in words."""


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


def ends_operand(kind: str) -> bool:
    """Say whether an operand can end with a lexeme of this kind."""
    return kind in CLOSES or kind == "NAME" or kind in LITERALS

"""The kinds of lexemes, as the grammar names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composer.syntax.lexemes import Lexeme

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

RESERVED = frozenset({*STATEMENTS.values(), "and", "or", "not", "true", "false", "none"})
"""The words that name nothing else."""

LITERALS = frozenset({"NUMBER", "STRING", "TEMPLATE", "TRUE", "FALSE", "NONE"})
OPENS = {"LPAR": "RPAR", "LSQB": "RSQB"}
CLOSES = {"RPAR": "LPAR", "RSQB": "LSQB"}

OPERATORS = frozenset({"ARROW", "BAR", "OR", "AND", "COMPARISON", "PLUS", "MINUS", "STAR", "SLASH"})
"""The signs and words that stand between two operands."""

CONTINUES = OPERATORS | {"NOT", "EQUAL", "COMMA", "COLON"}
"""After these a statement goes on in the next line."""

GOES_ON = frozenset({"ARROW", "BAR"})
"""A line that begins with one of these belongs to the line before."""

UNREADABLE = frozenset(
    {
        "FOREIGN",
        "CONFLICT",
        "OPEN_TEMPLATE",
        "OPEN_STRING",
        "QUOTED",
        "BAD_NUMBER",
        "BAD_NAME",
        "STRAY",
    }
)
"""What the lexer takes in only so that it can be refused in words."""

OPERANDS = LITERALS | {"NAME", "LPAR", "LSQB"}
"""An operand can begin with these."""


def ends_operand(lexeme: Lexeme) -> bool:
    """Say whether an operand can end with a lexeme."""
    return lexeme.type in CLOSES or lexeme.type == "NAME" or lexeme.type in LITERALS

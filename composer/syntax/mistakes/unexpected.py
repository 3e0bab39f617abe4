"""A syntax mistake put in words, by what was found, what stood before and which bracket is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.syntax.lexemes import LITERALS, OPERATORS, STATEMENTS, WORDS, ends_operand
from composer.syntax.mistakes import expressions, statements
from composer.syntax.mistakes.context import END, ParseContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.diagnostics import Diagnostic
    from composer.syntax.lexemes import Lexeme


def unexpected(statement: list[Lexeme], at: int) -> Diagnostic:
    """Say what is wrong with a statement whose lexeme number `at` does not fit."""
    context = ParseContext(statement, at)
    for fits, say in TABLE:
        if fits(context):
            return say(context)
    return expressions.out_of_place(context)


def _reserved(context: ParseContext) -> bool:
    """A reserved word where only a name can stand: after `let` and the like, or before `=`."""
    if context.kind in ("EQUAL", "COLON"):
        return context.previous in WORDS and context.within in ("call", "bank", "parameters")
    if context.previous == "AS" or (context.kind == "AS" and context.previous in ("LPAR", "COMMA")):
        return context.kind in {"AS", *STATEMENTS, *WORDS}
    names = context.previous in ("LET", "MODEL", "PARAM", "DEF") and context.at == 1
    inside = context.within in ("names", "parameters") and context.kind in WORDS
    return context.kind in STATEMENTS or (names and context.kind in WORDS) or inside


def _stated(*heads: str) -> Callable[[ParseContext], bool]:
    """The part of a statement before its expression, where each statement has its own shape."""

    def fits(context: ParseContext) -> bool:
        equal = any(lexeme.type == "EQUAL" for lexeme in context.statement[: context.at])
        in_head = "DEF" in heads or not context.within or context.within == "type"
        return (
            context.head.type in heads and in_head and (not equal or context.within == "parameters")
        )

    return fits


def _chained(context: ParseContext) -> bool:
    return context.kind == "COMPARISON" and expressions.comparison_before(context) is not None


def _nothing_after(context: ParseContext) -> bool:
    """An operand is due, and the statement or its bracket ends, or a comma comes."""
    due = not ends_operand(context.previous)
    return due and context.kind in (END, "COMMA", "RPAR", "RSQB", *OPERATORS)


def _two_in_a_row(context: ParseContext) -> bool:
    begins = context.kind in {"NAME", "LPAR", "LSQB", "NOT", "AS", *LITERALS}
    return begins and ends_operand(context.previous)


TABLE: tuple[tuple[Callable[[ParseContext], bool], Callable[[ParseContext], Diagnostic]], ...] = (
    (_reserved, statements.reserved),
    (lambda context: context.head.type == "USE", statements.use),
    (_stated("MODEL", "LET"), statements.named),
    (_stated("PARAM"), statements.param),
    (_stated("DEF"), statements.define),
    (_stated("EXAMPLE"), statements.example),
    (lambda context: context.head.type == "DEFAULT" and context.at < 3, statements.default),
    (_chained, expressions.chained),
    (lambda context: context.kind in ("EQUAL", "COLON"), expressions.confused),
    (lambda context: context.kind == "NOT", expressions.loose_not),
    (_nothing_after, expressions.operand),
    (lambda context: context.at == 1 and _two_in_a_row(context), statements.unknown),
    (_two_in_a_row, expressions.between),
    (lambda context: context.kind == "COMMA", expressions.stray_comma),
)
"""The first row that fits a context words it."""

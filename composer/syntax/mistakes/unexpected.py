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
    spot = ParseContext(statement, at)
    for fits, say in TABLE:
        if fits(spot):
            return say(spot)
    return expressions.out_of_place(spot)


def _reserved(spot: ParseContext) -> bool:
    """A reserved word where only a name can stand: after `let` and the like, or before `=`."""
    if spot.found in ("EQUAL", "COLON"):
        return spot.previous in WORDS and spot.within in ("call", "bank", "parameters")
    if spot.previous == "AS" or (spot.found == "AS" and spot.previous in ("LPAR", "COMMA")):
        return spot.found in {"AS", *STATEMENTS, *WORDS}
    names = spot.previous in ("LET", "MODEL", "PARAM", "DEF") and spot.at == 1
    inside = spot.within in ("names", "parameters") and spot.found in WORDS
    return spot.found in STATEMENTS or (names and spot.found in WORDS) or inside


def _stated(*heads: str) -> Callable[[ParseContext], bool]:
    """The part of a statement before its expression, where each statement has its own shape."""

    def fits(spot: ParseContext) -> bool:
        equal = any(lexeme.type == "EQUAL" for lexeme in spot.statement[: spot.at])
        in_head = "DEF" in heads or not spot.within or spot.within == "type"
        return spot.head.type in heads and in_head and (not equal or spot.within == "parameters")

    return fits


def _chained(spot: ParseContext) -> bool:
    return spot.found == "COMPARISON" and expressions.comparison_before(spot) is not None


def _nothing_after(spot: ParseContext) -> bool:
    """An operand is due, and the statement or its bracket ends, or a comma comes."""
    due = not ends_operand(spot.previous)
    return due and spot.found in (END, "COMMA", "RPAR", "RSQB", *OPERATORS)


def _two_in_a_row(spot: ParseContext) -> bool:
    begins = spot.found in {"NAME", "LPAR", "LSQB", "NOT", "AS", *LITERALS}
    return begins and ends_operand(spot.previous)


TABLE: tuple[tuple[Callable[[ParseContext], bool], Callable[[ParseContext], Diagnostic]], ...] = (
    (_reserved, statements.reserved),
    (lambda spot: spot.head.type == "USE", statements.use),
    (_stated("MODEL", "LET"), statements.named),
    (_stated("PARAM"), statements.param),
    (_stated("DEF"), statements.define),
    (_stated("EXAMPLE"), statements.example),
    (lambda spot: spot.head.type == "DEFAULT" and spot.at < 3, statements.default),
    (_chained, expressions.chained),
    (lambda spot: spot.found in ("EQUAL", "COLON"), expressions.confused),
    (lambda spot: spot.found == "NOT", expressions.loose_not),
    (_nothing_after, expressions.operand),
    (lambda spot: spot.at == 1 and _two_in_a_row(spot), statements.unknown),
    (_two_in_a_row, expressions.between),
    (lambda spot: spot.found == "COMMA", expressions.stray_comma),
)
"""The first row that fits a spot words it."""

"""What is missing, doubled or confused inside an expression, put in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic, Note, visible
from composer.syntax.lexemes import OPERATORS, ends_operand

if TYPE_CHECKING:
    from composer.syntax.lexemes import Lexeme
    from composer.syntax.mistakes.context import ParseContext

LONGEST = 24
"""A quoted piece of the recipe is cut after this many characters."""

BINDS_LOOSER = ("ARROW", "BAR", "OR", "AND", "NOT", "COMMA", "EQUAL", "COLON")
"""Between two comparisons one of these makes each stand for itself."""


def quoted(lexeme: Lexeme) -> str:
    """Quote a lexeme in a message."""
    text = " ".join(visible(lexeme.text).split())
    return f"`{text}`" if len(text) <= LONGEST else f"`{text[: LONGEST - 3]}...`"


def comparison_before(spot: ParseContext) -> Lexeme | None:
    """Find the comparison whose result would be compared again."""
    for lexeme in reversed(spot.level):
        if lexeme.type in BINDS_LOOSER:
            return None
        if lexeme.type == "COMPARISON":
            return lexeme
    return None


def chained(spot: ParseContext) -> Diagnostic:
    """Refuse `a < b < c`."""
    first = comparison_before(spot)
    notes = (Note(first.place, "the first comparison"),) if first else ()
    return Diagnostic(
        "E113",
        "comparisons cannot be chained",
        spot.lexeme.place,
        "a second comparison",
        notes,
        "write two comparisons: `0.2 < x and x < 0.8`",
    )


def confused(spot: ParseContext) -> Diagnostic:
    """Sort out `=`, `==` and `:`."""
    if not ends_operand(spot.previous):
        what = f"a name is missing before {quoted(spot.lexeme)}"
        return Diagnostic("E102", what, spot.lexeme.place)
    if not spot.within:
        return _outside(spot)
    if spot.before and _begins_item(spot) and spot.previous in ("NAME", "STRING"):
        name = spot.before.text.strip('"')
        if spot.within == "call" and name.isidentifier():
            return _confused(spot, "name an argument with `=`", f"write `{name} = ...`")
        if spot.within == "bank" and name.isidentifier():
            return _confused(spot, "name a branch with `:`", f"write `{name}: ...`")
    return _compared(spot)


def loose_not(spot: ParseContext) -> Diagnostic:
    """Ask for brackets around a `not` that stands where it binds too loosely."""
    if ends_operand(spot.previous):
        return between(spot)
    sign = quoted(spot.before) if spot.before else "this"
    return Diagnostic(
        "E103",
        f"`not` binds less tightly than {sign}",
        spot.lexeme.place,
        help="put the negation in brackets: `(not x)`",
    )


def operand(spot: ParseContext) -> Diagnostic:
    """Say where an expression is missing."""
    before, lexeme = spot.before, spot.lexeme
    if before is None:
        return Diagnostic("E102", f"nothing is before {quoted(lexeme)}", lexeme.place)
    if spot.found == "COMMA" and before.type in ("COMMA", "LPAR", "LSQB"):
        return Diagnostic(
            "E110",
            f"nothing is between {quoted(before)} and `,`",
            lexeme.place,
            help="delete the comma, or add the missing item before it",
        )
    if before.text == "-" and lexeme.text == ">":
        arrow = before.place.to(lexeme.place)
        return Diagnostic(
            "E102",
            "`-` and `>` with a space between them are not an arrow",
            arrow,
            help="write `->`",
        )
    if before.type == "LPAR" and spot.found == "RPAR":
        return Diagnostic("E102", "these brackets are empty", before.place.to(lexeme.place))
    what, help_ = f"an expression is missing after {quoted(before)}", ""
    if before.type in OPERATORS:
        help_ = f"add an expression there, or delete {quoted(before)}"
    if spot.found in OPERATORS:
        what = f"an expression is missing between {quoted(before)} and {quoted(lexeme)}"
        return Diagnostic(
            "E102", what, lexeme.place, "an expression is needed before this", help=help_
        )
    return Diagnostic("E102", what, before.place, "nothing follows", help=help_)


def between(spot: ParseContext) -> Diagnostic:
    """Say what is missing between two operands in a row."""
    before, lexeme = spot.before, spot.lexeme
    if before is None:
        return out_of_place(spot)
    if spot.touches and spot.found in ("LPAR", "LSQB"):
        return _applied(spot)
    if spot.within in ("call", "bank", "names", "parameters"):
        return Diagnostic(
            "E110",
            f"a comma is missing between {quoted(before)} and {quoted(lexeme)}",
            lexeme.place,
            "a `,` is needed before this",
            (Note(before.place, "after this"),),
        )
    two = "these brackets contain two expressions" if spot.within else "two expressions on one line"
    help_ = "pass the first on with `->`, or write both as a bank: `[a, b]`"
    note = Note(before.place, "the first ends here")
    return Diagnostic("E111", two, lexeme.place, "the second begins here", (note,), help_)


def stray_comma(spot: ParseContext) -> Diagnostic:
    """Refuse a comma where nothing is listed."""
    return Diagnostic(
        "E110",
        "commas are only allowed in a bank and in the brackets of a call",
        spot.lexeme.place,
        help="write a bank of several branches as `[a, b]`",
    )


def out_of_place(spot: ParseContext) -> Diagnostic:
    """Say at least what cannot stand where."""
    after = f" after {quoted(spot.before)}" if spot.before else ""
    if spot.ended:
        what = f"the statement ends too early{after}"
    else:
        what = f"{quoted(spot.lexeme)} is not allowed{after or ' here'}"
    return Diagnostic("E103", what, spot.lexeme.place)


def _begins_item(spot: ParseContext) -> bool:
    """Whether the lexeme before the spot is the first of an argument or a branch."""
    return spot.at - 2 == spot.opening or spot.statement[spot.at - 2].type == "COMMA"


def _outside(spot: ParseContext) -> Diagnostic:
    """Sort out a `=` or a `:` outside of brackets."""
    first, sign = spot.statement[0], spot.lexeme.text
    if spot.at == 1 and first.type == "NAME":
        help_ = f"write `let {first.text} = ...`"
        if sign == ":":
            help_ = f"write `{first.text} = ...` after `let`, `model` or `param`"
        return _confused(spot, "a line that defines a name must begin with `let`", help_)
    if sign == "=" and first.type == "NAME" and spot.previous == "RPAR":
        message = "a line that defines a step with parameters must begin with `def`"
        return _confused(spot, message, f"write `def {first.text}(...) = ...`")
    return _compared(spot)


def _compared(spot: ParseContext) -> Diagnostic:
    if spot.found == "EQUAL":
        return _confused(
            spot, "`=` gives a value to a name; it does not compare", "compare with `==`"
        )
    return out_of_place(spot)


def _confused(spot: ParseContext, message: str, help_: str) -> Diagnostic:
    return Diagnostic("E112", message, spot.lexeme.place, help=help_)


def _applied(spot: ParseContext) -> Diagnostic:
    """Refuse `f(x)(y)` and `a[0]`."""
    before = quoted(spot.before) if spot.before else ""
    if spot.found == "LPAR":
        return Diagnostic(
            "E103",
            f"only a name can be called, and {before} is not a name",
            spot.lexeme.place,
        )
    return Diagnostic(
        "E103",
        f"`[` cannot take an item out of {before}",
        spot.lexeme.place,
        help="a bank is a step: write `->` before it",
    )

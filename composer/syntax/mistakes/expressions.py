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


def comparison_before(context: ParseContext) -> Lexeme | None:
    """Find the comparison whose result would be compared again."""
    for lexeme in reversed(context.level):
        if lexeme.type in BINDS_LOOSER:
            return None
        if lexeme.type == "COMPARISON":
            return lexeme
    return None


def chained(context: ParseContext) -> Diagnostic:
    """Refuse `a < b < c`."""
    first = comparison_before(context)
    notes = (Note(first.place, "the first comparison"),) if first else ()
    return Diagnostic(
        "E113",
        "comparisons cannot be chained",
        context.lexeme.place,
        "a second comparison",
        notes,
        "write two comparisons: `0.2 < x and x < 0.8`",
    )


def confused(context: ParseContext) -> Diagnostic:
    """Sort out `=`, `==` and `:`."""
    if not ends_operand(context.previous):
        what = f"a name is missing before {quoted(context.lexeme)}"
        return Diagnostic("E102", what, context.lexeme.place)
    if not context.within:
        return _outside(context)
    if context.before and _begins_item(context) and context.previous in ("NAME", "STRING"):
        name = context.before.text.strip('"')
        if context.within == "call" and name.isidentifier():
            return _confused(context, "name an argument with `=`", f"write `{name} = ...`")
        if context.within == "bank" and name.isidentifier():
            return _confused(context, "name a branch with `:`", f"write `{name}: ...`")
    return _compared(context)


def loose_not(context: ParseContext) -> Diagnostic:
    """Ask for brackets around a `not` that stands where it binds too loosely."""
    if ends_operand(context.previous):
        return between(context)
    sign = quoted(context.before) if context.before else "this"
    return Diagnostic(
        "E103",
        f"`not` binds less tightly than {sign}",
        context.lexeme.place,
        help="put the negation in brackets: `(not x)`",
    )


def operand(context: ParseContext) -> Diagnostic:
    """Say where an expression is missing."""
    before, lexeme = context.before, context.lexeme
    if before is None:
        return Diagnostic("E102", f"nothing is before {quoted(lexeme)}", lexeme.place)
    if context.kind == "COMMA" and before.type in ("COMMA", "LPAR", "LSQB"):
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
    if before.type == "LPAR" and context.kind == "RPAR":
        return Diagnostic("E102", "these brackets are empty", before.place.to(lexeme.place))
    what, help_ = f"an expression is missing after {quoted(before)}", ""
    if before.type in OPERATORS:
        help_ = f"add an expression there, or delete {quoted(before)}"
    if context.kind in OPERATORS:
        what = f"an expression is missing between {quoted(before)} and {quoted(lexeme)}"
        return Diagnostic(
            "E102", what, lexeme.place, "an expression is needed before this", help=help_
        )
    return Diagnostic("E102", what, before.place, "nothing follows", help=help_)


def between(context: ParseContext) -> Diagnostic:
    """Say what is missing between two operands in a row."""
    before, lexeme = context.before, context.lexeme
    if before is None:
        return out_of_place(context)
    if context.touches and context.kind in ("LPAR", "LSQB"):
        return _applied(context)
    if context.within in ("call", "bank", "names", "parameters"):
        return Diagnostic(
            "E110",
            f"a comma is missing between {quoted(before)} and {quoted(lexeme)}",
            lexeme.place,
            "a `,` is needed before this",
            (Note(before.place, "after this"),),
        )
    two = (
        "these brackets contain two expressions"
        if context.within
        else "two expressions on one line"
    )
    help_ = "pass the first on with `->`, or write both as a bank: `[a, b]`"
    note = Note(before.place, "the first ends here")
    return Diagnostic("E111", two, lexeme.place, "the second begins here", (note,), help_)


def stray_comma(context: ParseContext) -> Diagnostic:
    """Refuse a comma where nothing is listed."""
    return Diagnostic(
        "E110",
        "commas are only allowed in a bank and in the brackets of a call",
        context.lexeme.place,
        help="write a bank of several branches as `[a, b]`",
    )


def out_of_place(context: ParseContext) -> Diagnostic:
    """Say at least what cannot stand where."""
    after = f" after {quoted(context.before)}" if context.before else ""
    if context.ended:
        what = f"the statement ends too early{after}"
    else:
        what = f"{quoted(context.lexeme)} is not allowed{after or ' here'}"
    return Diagnostic("E103", what, context.lexeme.place)


def _begins_item(context: ParseContext) -> bool:
    """Whether the lexeme before the context is the first of an argument or a branch."""
    return context.at - 2 == context.opening or context.statement[context.at - 2].type == "COMMA"


def _outside(context: ParseContext) -> Diagnostic:
    """Sort out a `=` or a `:` outside of brackets."""
    first, sign = context.statement[0], context.lexeme.text
    if context.at == 1 and first.type == "NAME":
        help_ = f"write `let {first.text} = ...`"
        if sign == ":":
            help_ = f"write `{first.text} = ...` after `let`, `model` or `param`"
        return _confused(context, "a line that defines a name must begin with `let`", help_)
    if sign == "=" and first.type == "NAME" and context.previous == "RPAR":
        message = "a line that defines a step with parameters must begin with `def`"
        return _confused(context, message, f"write `def {first.text}(...) = ...`")
    return _compared(context)


def _compared(context: ParseContext) -> Diagnostic:
    if context.kind == "EQUAL":
        return _confused(
            context, "`=` gives a value to a name; it does not compare", "compare with `==`"
        )
    return out_of_place(context)


def _confused(context: ParseContext, message: str, help_: str) -> Diagnostic:
    return Diagnostic("E112", message, context.lexeme.place, help=help_)


def _applied(context: ParseContext) -> Diagnostic:
    """Refuse `f(x)(y)` and `a[0]`."""
    before = quoted(context.before) if context.before else ""
    if context.kind == "LPAR":
        return Diagnostic(
            "E103",
            f"only a name can be called, and {before} is not a name",
            context.lexeme.place,
        )
    return Diagnostic(
        "E103",
        f"`[` cannot take an item out of {before}",
        context.lexeme.place,
        help="a bank is a step: write `->` before it",
    )

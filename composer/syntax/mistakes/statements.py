"""Statements that are begun and not rightly gone on with, put in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic, nearest
from composer.syntax.lexemes import STATEMENTS
from composer.syntax.mistakes.expressions import between, operand, out_of_place, quoted

if TYPE_CHECKING:
    from composer.syntax.lexemes import Lexeme
    from composer.syntax.mistakes.context import ParseContext

SHAPES = {
    "USE": '`use "zoo.ens" (A, B)` or `use "moa.ens" as moa`',
    "MODEL": '`model A = hf("name")`',
    "PARAM": "`param doubt: float = 0.6`",
    "LET": "`let fused = token_fuse(A, B)`",
    "DEF": "`def layer(members) = prompt(aggregate) -> members`",
    "DEFAULT": "`default generate(temperature = 0)`",
    "EXAMPLE": '`example "What is 17 plus 25?"`',
}
"""How each statement looks."""

ELSEWHERE = {
    "import": "use",
    "from": "use",
    "include": "use",
    "set": "let",
    "var": "let",
    "const": "let",
    "fn": "def",
    "func": "def",
    "function": "def",
    "macro": "def",
    "parameter": "param",
    "arg": "param",
    "options": "default",
    "query": "example",
}
"""What other languages begin a statement with."""

ABSENT = {
    "return": "the answer is an expression without a word before it: leave out `return`",
    "if": "use `route`, `cascade(...)` or a fallback `a | b` to choose",
    "for": "write several draws of a model as `sample(M, n)`, several models as a bank `[A, B]`",
    "while": "for repetition use an option of a step, such as the `n` draws of `sample`",
}
"""What other languages begin a statement with, and this one does without."""

TYPES = {"NUMBER": "float", "STRING": "str", "TRUE": "bool", "FALSE": "bool", "LSQB": "list[str]"}


def reserved(spot: ParseContext) -> Diagnostic:
    """Refuse a reserved word as a name."""
    word = spot.lexeme
    if spot.found in ("EQUAL", "COLON") and spot.before:
        word = spot.before
    elif spot.found not in STATEMENTS and spot.previous in STATEMENTS and spot.at > 1:
        return out_of_place(spot)
    is_name = spot.previous in ("LET", "MODEL", "PARAM", "DEF", "AS") or spot.within
    help_ = f"choose another name, such as `{word.text}_`"
    if spot.within == "call":
        help_ = "no option of a step has this name"
    what = "cannot be a name" if is_name or word is spot.before else "begins a statement"
    return Diagnostic(
        "E114",
        f"`{word.text}` is a reserved word and {what}",
        word.place,
        help=help_ if what.endswith("name") else "",
    )


def misplaced(lexeme: Lexeme) -> Diagnostic:
    """Refuse a second statement on a line."""
    return Diagnostic(
        "E111",
        "a statement must begin on a new line",
        lexeme.place,
        "a second statement on this line",
        help=f"begin a new line before `{lexeme.text}`",
    )


def unknown(spot: ParseContext) -> Diagnostic:
    """Explain a line whose first word begins no statement."""
    first = spot.head
    if first.type != "NAME" or spot.found not in ("NAME", "STRING"):
        return between(spot)
    if first.text.lower() in ABSENT:
        help_ = ABSENT[first.text.lower()]
    else:
        keyword = ELSEWHERE.get(first.text.lower()) or nearest(first.text, STATEMENTS.values())
        if not keyword:
            return between(spot)
        help_ = f"did you mean `{keyword}`?"
    return Diagnostic("E115", f"unknown statement `{first.text}`", first.place, help=help_)


def use(spot: ParseContext) -> Diagnostic:
    """Explain a `use` that is not finished."""
    if spot.at == 1:
        return _file(spot)
    if spot.previous == "AS":
        return _shape(spot, "a new name is missing after `as`")
    if spot.within:
        return _used(spot)
    if spot.at == 2:
        what = f"{quoted(spot.lexeme)} is not allowed after the name of the file"
        return _shape(spot, "the names to use from the file are missing" if spot.ended else what)
    if spot.found == "AS":
        return _shape(spot, "use a file by names or as a whole, not both")
    return between(spot)


def named(spot: ParseContext) -> Diagnostic:
    """Explain a `let` or a `model` that is not finished."""
    head = spot.head.text
    if spot.at == 1:
        return _nameless(spot)
    if spot.found == "LPAR" and head == "let":
        help_ = (
            f"define a step with parameters with `def`: `def {spot.statement[1].text}(...) = ...`"
        )
        return _shape(spot, "a `let` cannot have parameters", help_)
    if spot.found == "COLON" and head == "let":
        return _shape(
            spot, "a `let` cannot have a type", "only a `param` can have one: " + SHAPES["PARAM"]
        )
    return _no_equal(spot)


def param(spot: ParseContext) -> Diagnostic:
    """Explain a `param` that is not finished."""
    if spot.at == 1:
        return _nameless(spot)
    name = spot.statement[1].text
    if spot.at == 2:
        if spot.found in ("NAME", "MODEL"):
            return _shape(spot, f"a `:` is missing between `{name}` and its type")
        value = spot.following.type if spot.following else ""
        kind = "int" if value == "NUMBER" and _whole(spot.following) else TYPES.get(value, "float")
        help_ = f"write `param {name}: {kind} = ...`" if spot.found == "EQUAL" else ""
        return _shape(spot, f"the type of `{name}` is missing", help_)
    if spot.previous == "COLON":
        return _shape(spot, "a type is missing after `:`")
    if spot.within == "type":
        return _shape(
            spot,
            "the type of a list must name the type of its items",
            "write for example `list[str]`",
        )
    return _no_equal(spot)


def define(spot: ParseContext) -> Diagnostic:
    """Explain a `def` that is not finished."""
    if spot.at == 1:
        return _nameless(spot)
    name = spot.statement[1].text
    if spot.at == 2:
        help_ = f"write `let {name} = ...`, or `def {name}() = ...`" * (spot.found == "EQUAL")
        return _shape(spot, f"the parameters of `{name}` are missing", help_)
    if spot.within == "parameters":
        return _parameter(spot)
    return out_of_place(spot) if spot.within else _no_equal(spot)


def example(spot: ParseContext) -> Diagnostic:
    """Explain an `example` that is no text."""
    if spot.at == 1:
        return _shape(spot, "an `example` must be a text in quotes")
    return between(spot)


def default(spot: ParseContext) -> Diagnostic:
    """Explain a `default` that is no call."""
    return _shape(spot, "a `default` must be a call of a step with its options")


def _file(spot: ParseContext) -> Diagnostic:
    help_ = f'write `use "{spot.lexeme.text}.ens" ...`' if spot.found == "NAME" else ""
    return _shape(spot, "write the name of the file in quotes", help_)


def _used(spot: ParseContext) -> Diagnostic:
    if spot.found == "NAME":
        return between(spot)
    if spot.found in ("COMMA", "RPAR"):
        return operand(spot)
    return _shape(
        spot, "write names between these brackets, each with or without `as` and a new name"
    )


def _parameter(spot: ParseContext) -> Diagnostic:
    if spot.found == "COLON":
        return _shape(spot, "a parameter cannot have a type", "write a default as `name = value`")
    if spot.found == "NAME":
        return between(spot)
    if spot.found in ("COMMA", "RPAR"):
        return operand(spot)
    return _shape(spot, "a parameter must be a name, with or without a default")


def _nameless(spot: ParseContext) -> Diagnostic:
    return _shape(spot, f"a name is missing after `{spot.head.text}`")


def _no_equal(spot: ParseContext) -> Diagnostic:
    before = quoted(spot.before) if spot.before else "the name"
    return _shape(spot, f"a `=` is missing after {before}")


def _whole(lexeme: Lexeme | None) -> bool:
    return lexeme is not None and lexeme.text.isdigit()


def _shape(spot: ParseContext, message: str, help_: str = "") -> Diagnostic:
    """Say what is wrong, and how the statement looks."""
    help_ = help_ or f"write it like {SHAPES[spot.head.type]}"
    return Diagnostic("E115", message, spot.lexeme.place, help=help_)

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


def reserved(context: ParseContext) -> Diagnostic:
    """Refuse a reserved word as a name."""
    word = context.lexeme
    if context.kind in ("EQUAL", "COLON") and context.before:
        word = context.before
    elif context.kind not in STATEMENTS and context.previous in STATEMENTS and context.at > 1:
        return out_of_place(context)
    is_name = context.previous in ("LET", "MODEL", "PARAM", "DEF", "AS") or context.within
    help_ = f"choose another name, such as `{word.text}_`"
    if context.within == "call":
        help_ = "no option of a step has this name"
    what = "cannot be a name" if is_name or word is context.before else "begins a statement"
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


def unknown(context: ParseContext) -> Diagnostic:
    """Explain a line whose first word begins no statement."""
    first = context.head
    if first.type != "NAME" or context.kind not in ("NAME", "STRING"):
        return between(context)
    if first.text.lower() in ABSENT:
        help_ = ABSENT[first.text.lower()]
    else:
        keyword = ELSEWHERE.get(first.text.lower()) or nearest(first.text, STATEMENTS.values())
        if not keyword:
            return between(context)
        help_ = f"did you mean `{keyword}`?"
    return Diagnostic("E115", f"unknown statement `{first.text}`", first.place, help=help_)


def use(context: ParseContext) -> Diagnostic:
    """Explain a `use` that is not finished."""
    if context.at == 1:
        return _file(context)
    if context.previous == "AS":
        return _shape(context, "a new name is missing after `as`")
    if context.within:
        return _used(context)
    if context.at == 2:
        what = f"{quoted(context.lexeme)} is not allowed after the name of the file"
        return _shape(
            context, "the names to use from the file are missing" if context.ended else what
        )
    if context.kind == "AS":
        return _shape(context, "use a file by names or as a whole, not both")
    return between(context)


def named(context: ParseContext) -> Diagnostic:
    """Explain a `let` or a `model` that is not finished."""
    head = context.head.text
    if context.at == 1:
        return _nameless(context)
    if context.kind == "LPAR" and head == "let":
        name = context.statement[1].text
        help_ = f"define a step with parameters with `def`: `def {name}(...) = ...`"
        return _shape(context, "a `let` cannot have parameters", help_)
    if context.kind == "COLON" and head == "let":
        return _shape(
            context, "a `let` cannot have a type", "only a `param` can have one: " + SHAPES["PARAM"]
        )
    return _no_equal(context)


def param(context: ParseContext) -> Diagnostic:
    """Explain a `param` that is not finished."""
    if context.at == 1:
        return _nameless(context)
    name = context.statement[1].text
    if context.at == 2:
        if context.kind in ("NAME", "MODEL"):
            return _shape(context, f"a `:` is missing between `{name}` and its type")
        value = context.following.type if context.following else ""
        kind = (
            "int" if value == "NUMBER" and _whole(context.following) else TYPES.get(value, "float")
        )
        help_ = f"write `param {name}: {kind} = ...`" if context.kind == "EQUAL" else ""
        return _shape(context, f"the type of `{name}` is missing", help_)
    if context.previous == "COLON":
        return _shape(context, "a type is missing after `:`")
    if context.within == "type":
        return _shape(
            context,
            "the type of a list must name the type of its items",
            "write for example `list[str]`",
        )
    return _no_equal(context)


def define(context: ParseContext) -> Diagnostic:
    """Explain a `def` that is not finished."""
    if context.at == 1:
        return _nameless(context)
    name = context.statement[1].text
    if context.at == 2:
        help_ = f"write `let {name} = ...`, or `def {name}() = ...`" * (context.kind == "EQUAL")
        return _shape(context, f"the parameters of `{name}` are missing", help_)
    if context.within == "parameters":
        return _parameter(context)
    return out_of_place(context) if context.within else _no_equal(context)


def example(context: ParseContext) -> Diagnostic:
    """Explain an `example` that is no text."""
    if context.at == 1:
        return _shape(context, "an `example` must be a text in quotes")
    return between(context)


def default(context: ParseContext) -> Diagnostic:
    """Explain a `default` that is no call."""
    return _shape(context, "a `default` must be a call of a step with its options")


def _file(context: ParseContext) -> Diagnostic:
    help_ = f'write `use "{context.lexeme.text}.ens" ...`' if context.kind == "NAME" else ""
    return _shape(context, "write the name of the file in quotes", help_)


def _used(context: ParseContext) -> Diagnostic:
    if context.kind == "NAME":
        return between(context)
    if context.kind in ("COMMA", "RPAR"):
        return operand(context)
    return _shape(
        context, "write names between these brackets, each with or without `as` and a new name"
    )


def _parameter(context: ParseContext) -> Diagnostic:
    if context.kind == "COLON":
        return _shape(
            context, "a parameter cannot have a type", "write a default as `name = value`"
        )
    if context.kind == "NAME":
        return between(context)
    if context.kind in ("COMMA", "RPAR"):
        return operand(context)
    return _shape(context, "a parameter must be a name, with or without a default")


def _nameless(context: ParseContext) -> Diagnostic:
    return _shape(context, f"a name is missing after `{context.head.text}`")


def _no_equal(context: ParseContext) -> Diagnostic:
    before = quoted(context.before) if context.before else "the name"
    return _shape(context, f"a `=` is missing after {before}")


def _whole(lexeme: Lexeme | None) -> bool:
    return lexeme is not None and lexeme.text.isdigit()


def _shape(context: ParseContext, message: str, help_: str = "") -> Diagnostic:
    """Say what is wrong, and how the statement looks."""
    help_ = help_ or f"write it like {SHAPES[context.head.type]}"
    return Diagnostic("E115", message, context.lexeme.place, help=help_)

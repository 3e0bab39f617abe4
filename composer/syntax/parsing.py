"""`.ens` text to statements, with all mistakes of a file at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from composer.diagnostics import Diagnostic, Mistakes, Place, Source
from composer.syntax.grammar import lark
from composer.syntax.lexemes import Lexeme, lexemes
from composer.syntax.mistakes.brackets import DEEPEST, too_deep
from composer.syntax.splitting import StatementSplitter
from composer.syntax.tree import (
    Answer,
    Binary,
    Branches,
    Call,
    Chain,
    Example,
    Expr,
    Fallback,
    Statement,
    Unary,
    Use,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lark import Token


def parse_lexemes(
    lexed: Iterable[Lexeme],
) -> tuple[tuple[Statement, ...], tuple[tuple[Place, str], ...], list[Diagnostic]]:
    """Parse lexemes, in whatever file they stand, into statements, comments and mistakes."""
    cut = StatementSplitter(lexed)
    mistakes = cut.mistakes
    statements = []
    for statement_lexemes in cut.whole:
        try:
            statements.append(_statement(statement_lexemes))
        except Mistakes as error:
            mistakes.extend(error.diagnostics)
    return tuple(statements), tuple(cut.comments), mistakes


def parse_expression(text: str, name: str = "--set") -> Expr:
    """Parse one expression, such as the value of `--set`."""
    source = Source(name, text)
    value, _ = one_expression(lexemes(lark(), source), Place(source, 0, len(text)))
    return value


def one_expression(
    lexed: Iterable[Lexeme], whole: Place
) -> tuple[Expr, tuple[tuple[Place, str], ...]]:
    """Parse lexemes that are one expression and nothing else; `whole` is where they stand."""
    statements, comments, mistakes = parse_lexemes(lexed)
    if mistakes:
        raise Mistakes(mistakes)
    first, *others = statements or (None,)
    if isinstance(first, Answer) and not others:
        return first.value, comments
    if not first:
        message, place = "an expression is missing", whole
    elif others and isinstance(first, Answer):
        message, place = "this is more than one expression", others[0].place
    else:
        message, place = "this is a statement, not an expression", first.place
    raise Mistakes([Diagnostic("E102", message, place)])


def _statement(lexed: list[Lexeme]) -> Statement:
    """Parse the lexemes of one statement."""
    from lark import UnexpectedToken

    if lexed[0].type == "USE":
        for lexeme in lexed:
            if lexeme.text == "as":
                lexeme.type = "AS"
    parser = lark().parse_interactive()
    at = 0
    try:
        for lexeme in lexed:
            # The parser reads only the type, and hands the rest to the tree's builder as it is.
            parser.feed_token(cast("Token", lexeme))
            at += 1
        statement = cast("Statement", parser.feed_eof())  # type: ignore[no-untyped-call]
    except UnexpectedToken:
        from composer.syntax.mistakes.unexpected import unexpected

        raise Mistakes([unexpected(lexed, at)]) from None
    if len(lexed) > DEEPEST:
        refuse_depth(statement)
    return statement


def refuse_depth(statement: Statement) -> None:
    """Refuse what nests without brackets, such as a sum of very many terms."""
    value: Expr | None = None if isinstance(statement, Use | Example) else statement.value
    deep = _deeper_than(value, DEEPEST) if value else None
    if deep:
        raise Mistakes([too_deep(deep.place)])


def _children(node: Expr) -> tuple[Expr, ...]:
    """Give the expressions that an expression is made of, from left to right."""
    match node:
        case Chain():
            return node.stages
        case Fallback():
            return node.choices
        case Branches():
            return tuple(branch.value for branch in node.branches)
        case Call():
            return tuple(argument.value for argument in node.arguments)
        case Binary():
            return (node.left, node.right)
        case Unary():
            return (node.operand,)
        case _:
            return ()


def _deeper_than(node: Expr, limit: int) -> Expr | None:
    """Find an expression nested more than so many levels deep, if there is one."""
    level = [node]
    for _ in range(limit):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return None
    return level[0]

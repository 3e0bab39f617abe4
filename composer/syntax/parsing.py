"""`.ens` text to the tree, with all mistakes of a file at once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from composer.syntax.building import Builder
from composer.syntax.lexemes import Lexeme, lexemes
from composer.syntax.lines import Statements
from composer.syntax.tree import Answer, Expr, File, Statement
from composer.syntax.wording import unexpected
from composer.words import Diagnostic, Mistakes, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark import Lark, Token

ASIDE = ("COMMENT", "NEWLINE", "CONFLICT", "FOREIGN", "OPEN_TEMPLATE", "OPEN_STRING", "QUOTED")
ODD = ("BAD_NUMBER", "BAD_NAME", "STRAY")


class _Aside:
    """Tells Lark to keep the terminals that no rule mentions."""

    always_accept = ASIDE + ODD

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


@cache
def _lark() -> Lark:
    from lark import Lark

    grammar = Path(__file__).parents[2] / "grammar" / "ens.lark"
    return Lark(
        grammar.read_text(encoding="utf-8"),
        start="statement",
        parser="lalr",
        lexer="basic",
        postlex=_Aside(),
        transformer=Builder(),
    )


def parse(source: Source) -> File:
    """Parse a recipe; every mistake in it is raised at once."""
    lark = _lark()
    cut = Statements(lexemes(lark, source))
    mistakes = cut.mistakes
    statements = []
    for statement in cut.whole:
        try:
            statements.append(_statement(lark, statement))
        except Mistakes as error:
            mistakes.extend(error.diagnostics)
    if mistakes:
        raise Mistakes(mistakes)
    return File(source, tuple(statements), tuple(cut.comments))


def parse_expression(text: str, name: str = "--set") -> Expr:
    """Parse one expression, such as the value of `--set`."""
    source = Source(name, text)
    statements = parse(source).statements
    if len(statements) == 1 and isinstance(statements[0], Answer):
        return statements[0].value
    raise Mistakes([Diagnostic("E102", "an expression was expected")])


def _statement(lark: Lark, statement: list[Lexeme]) -> Statement:
    from lark import UnexpectedToken

    interactive = lark.parse_interactive()
    is_use = statement[0].type == "USE"
    at = 0
    try:
        for at, lexeme in enumerate(statement):  # noqa: B007
            if is_use and lexeme.text == "as":
                lexeme.type = "AS"
            interactive.feed_token(cast("Token", lexeme))
        at += 1
        return cast("Statement", interactive.feed_eof())
    except UnexpectedToken:
        raise Mistakes([unexpected(statement, at)]) from None

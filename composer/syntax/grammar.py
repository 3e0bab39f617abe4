"""The grammar, found and made into a parser once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from composer.syntax.building import Builder
from composer.syntax.kinds import ASIDE, UNREADABLE
from composer.syntax.tables import kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lark import Lark, Token


class _Aside:
    """Tells Lark to keep the terminals that no rule mentions, and changes nothing."""

    always_accept = ASIDE + UNREADABLE

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


def grammar() -> str:
    """Give the text of the grammar, from a checkout or from an installed package."""
    beside = Path(__file__).parents[2] / "grammar" / "ens.lark"
    if beside.is_file():
        return beside.read_text(encoding="utf-8")
    from importlib.resources import files

    return (files("composer") / "grammar" / "ens.lark").read_text(encoding="utf-8")


@cache
def lark() -> Lark:
    """Make the parser; its tables are kept for the next time where that is safe."""
    text = grammar()
    return kept(lambda: _made(text), text, *_Aside.always_accept)


def _made(text: str) -> Lark:
    from lark import Lark

    return Lark(
        text,
        start="statement",
        parser="lalr",
        lexer="basic",
        postlex=_Aside(),
        transformer=Builder(),
    )

"""The grammar, found and made into a parser once."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from composer.syntax.building import Builder
from composer.syntax.kinds import ASIDE, UNREADABLE

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
    return (files("composer") / "grammar" / "ens.lark").read_text(encoding="utf-8")


@cache
def lark() -> Lark:
    """Make the parser; this takes a moment, the first time."""
    from lark import Lark

    return Lark(
        grammar(),
        start="statement",
        parser="lalr",
        lexer="basic",
        postlex=_Aside(),
        transformer=Builder(),
    )

"""The grammar made into a parser, whose tables are cached from one run to the next.

Making the tables takes a moment. Lark reads them back with pickle, so only a folder that nobody
else can write is trusted.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from composer.atomic import atomic_file
from composer.diagnostics.caches import cache_folder
from composer.syntax.building import Builder
from composer.syntax.lexemes import ASIDE, UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    return _cached(lambda: _made(text), text, *_Aside.always_accept)


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


def _cached(make: Callable[[], Lark], *content: str) -> Lark:
    """Read the parser for this content from the cache, or make it and write it there.

    No failure of the cache is the user's: the parser is then made anew.
    """
    from lark import Lark

    table = _table(*content)
    if table is None:
        return make()
    # Whatever a damaged file raises, the parser can be made anew.
    with contextlib.suppress(Exception), table.open("rb") as file:
        return Lark.load(file)
    parser = make()
    with contextlib.suppress(OSError), atomic_file(table) as file:
        parser.save(file)
    return parser


def _table(*content: str) -> Path | None:
    """Give the file for tables made of this content, or None where none can be trusted."""
    from lark import __version__

    try:
        folder = cache_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _private(folder):
            return None
    except (OSError, RuntimeError):
        return None
    parts = (__version__, str(sys.version_info[:2]), *content)
    return folder / f"ens-{sha256(chr(0).join(parts).encode()).hexdigest()[:16]}.tables"


def _private(folder: Path) -> bool:
    """Say whether a folder is this user's own, and nobody else can write to it."""
    if not hasattr(os, "getuid"):
        return True
    status = folder.lstat()
    shared = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not shared

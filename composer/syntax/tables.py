"""The parser's tables, kept from one run to the next, since making them takes a moment.

Lark reads them back with pickle, so only a folder that nobody else can write is trusted.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from hashlib import sha256
from typing import TYPE_CHECKING

from composer.atomic import atomic_file
from composer.diagnostics.caches import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lark import Lark


def kept(make: Callable[[], Lark], *content: str) -> Lark:
    """Read the parser for this content back, or make it and keep it; no failure is the user's."""
    from lark import Lark

    table = _table(*content)
    if table is None:
        return make()
    # Whatever a damaged file raises, the parser can be made anew.
    with contextlib.suppress(Exception), table.open("rb") as file:
        return Lark.load(file)
    made = make()
    with contextlib.suppress(OSError), atomic_file(table) as file:
        made.save(file)
    return made


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
    found = folder.lstat()
    shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not shared

"""Folders that are there when they are whole: each is filled beside its place, then moved there."""

from __future__ import annotations

import re
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["unfinished"]

DIGITS = 16


@contextmanager
def unfinished(entry: Path, key: str) -> Iterator[Path]:
    """Give the folder in which is made what belongs at `entry`; it is moved there at the end.

    `key` is a digest of what is made. What a killed or interrupted process with the same key has
    made so far is in the folder; what one with another key left is removed. A block that fails
    leaves nothing.
    """
    folder = entry.with_name(f".{entry.name}.{key[:DIGITS]}.part")
    for leftover in _leftovers(entry):
        if leftover != folder:
            shutil.rmtree(leftover)
    folder.mkdir(exist_ok=True)
    try:
        yield folder
        if entry.exists():
            shutil.rmtree(entry)
        folder.rename(entry)
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _leftovers(entry: Path) -> list[Path]:
    """Return the folders that builds of an entry did not finish."""
    named = re.compile(rf"\.{re.escape(entry.name)}\.[0-9a-f]{{{DIGITS}}}\.part")
    return [each for each in entry.parent.iterdir() if named.fullmatch(each.name)]

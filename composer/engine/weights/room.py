"""Room for merged models in the user's cache: those that were used longest ago are removed."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from composer.diagnostics.caches import MERGED, bound

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["make_room", "used"]

LATELY = 3600
"""Seconds after its last use in which nothing is removed, since another process may load it."""


def used(entry: Path) -> None:
    """Remember that a folder is in use now."""
    with suppress(OSError):
        os.utime(entry)


def make_room(folder: Path) -> None:
    """Remove folders until the others fit the bound that the environment sets.

    What a killed process left half written is removed like the rest.
    """
    limit, entries = bound(MERGED), [entry for entry in folder.iterdir() if entry.is_dir()]
    sizes = {entry: _size(entry) for entry in entries}
    total, now = sum(sizes.values()), time.time()
    for entry in sorted(entries, key=_used_at):
        if total <= limit or now - _used_at(entry) < LATELY:
            return
        shutil.rmtree(entry, ignore_errors=True)
        total -= sizes[entry]


def _used_at(entry: Path) -> float:
    with suppress(OSError):
        return entry.stat().st_mtime
    return 0.0


def _size(entry: Path) -> int:
    total = 0
    with suppress(OSError):
        for file in entry.rglob("*"):
            total += file.lstat().st_size
    return total

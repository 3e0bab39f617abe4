"""The user's cache folder: where it is, and how large its files may grow."""

from __future__ import annotations

import os
from pathlib import Path

from composer.diagnostics.amounts import bytes_of
from composer.diagnostics.diagnostics import Diagnostic
from composer.diagnostics.drawing import Mistakes

PACKAGE_VERSION = "0.1.0"
"""The version of the package: what an older one kept may not be what this one would make."""

ANSWERS = "COMPOSE_CACHE_SIZE"
MERGED = "COMPOSE_MERGED_SIZE"
BOUNDS = {ANSWERS: "1 GB", MERGED: "100 GB"}
"""Variables of the environment that bound what is kept, with their values where they are not set:
answers and scores; checkpoints of merged models."""

NAMES = {ANSWERS: "answers.sqlite", MERGED: "merged"}
"""The file or folder that each bounds."""


class NoHomeError(OSError):
    """There is no folder for the user's files, as where a container's user has no home."""


def cache_folder() -> Path:
    """Return the project's folder in the user's cache: below XDG_CACHE_HOME, else ~/.cache.

    Raises an OSError where the user has no home, as what is written there would anyway.
    """
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    base = named if named.is_absolute() else _home() / ".cache"
    return base / "ensemble-composer"


def _home() -> Path:
    """Return the user's home; one that is named without a leading slash is none."""
    try:
        home = Path.home() if os.environ.get("HOME", "/") else None
    except RuntimeError:
        home = None
    if home is None or not home.is_absolute():
        raise NoHomeError("there is no home folder: set HOME or XDG_CACHE_HOME")
    return home


def bound(variable: str) -> int:
    """Return a bound in bytes, as the environment sets it: `500 MB`; raises Mistakes (E715)."""
    text = os.environ.get(variable, "").strip() or BOUNDS[variable]
    size = bytes_of(text)
    if size is None:
        message = f"{variable} must be a size, not {text!r}"
        help_ = f"write it like `{BOUNDS[variable]}`, or leave it out; 0 keeps nothing"
        raise Mistakes([Diagnostic("E715", message, help=help_)])
    return size

"""Where a user's own files are kept from run to run: tables, answers, timings."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the project's folder in the user's cache: below XDG_CACHE_HOME, else ~/.cache."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    base = named if named.is_absolute() else Path.home() / ".cache"
    return base / "ensemble-composer"

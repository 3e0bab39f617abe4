"""Where a user's own files are kept from run to run: tables, answers, timings; and since when."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE_VERSION = "0.1.0"
"""The version of the package: what an older one kept may not be what this one would make."""


def cache_folder() -> Path:
    """Return the project's folder in the user's cache: below XDG_CACHE_HOME, else ~/.cache."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    base = named if named.is_absolute() else Path.home() / ".cache"
    return base / "ensemble-composer"

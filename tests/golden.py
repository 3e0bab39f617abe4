"""Texts as they are expected, kept in files; `COMPOSER_ACCEPT=1` writes them anew."""

import os
from pathlib import Path


def check(path, actual):
    """Compare a text with the one that a file keeps; to accept a change, set COMPOSER_ACCEPT."""
    path, actual = Path(path), actual.rstrip("\n") + "\n"
    if os.environ.get("COMPOSER_ACCEPT"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(actual, encoding="utf-8")
    expected = path.read_text(encoding="utf-8") if path.exists() else ""
    assert actual == expected, f"{path.name} differs; COMPOSER_ACCEPT=1 accepts what is now"

"""The one table of codes: what each means, with an example broken and mended."""

from __future__ import annotations

CODES: dict[str, tuple[str, str]] = {}
"""Each code with its title and its explanation."""


def explanation(code: str) -> str | None:
    """Explain a code in one paragraph and an example, or give None for an unknown code."""
    entry = CODES.get(code.upper())
    return f"{code.upper()}: {entry[0]}\n\n{entry[1]}" if entry else None

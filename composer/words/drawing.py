"""Diagnostics drawn as text: the source line with its subject underlined."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from composer.words.diagnostics import Diagnostic


def draw(diagnostic: Diagnostic, *, color: bool = False) -> str:
    """Draw a diagnostic as the command prints it."""
    del color
    rows = [f"{diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}"]
    place = diagnostic.place
    if place:
        number = str(place.line)
        rows.append(f" --> {place.source.name}:{place.line}:{place.column}")
        rows.append(f"{number} | {place.source.line(place.line)}")
        rows.append(" " * (len(number) + 2 + place.column) + "^ " + diagnostic.label)
    if diagnostic.help:
        rows.append(f"  = help: {diagnostic.help}")
    return "\n".join(rows)

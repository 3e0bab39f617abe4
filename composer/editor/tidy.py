"""A recipe in canonical text, as `compose fmt` writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.syntax import parse_sound
from composer.syntax.formatting import formatted

if TYPE_CHECKING:
    from composer.editor.buffer import Buffer


def tidied(buffer: Buffer) -> str | None:
    """Return the canonical text; None while the recipe is broken, or is canonical already."""
    file, mistakes = parse_sound(buffer.source)
    if mistakes:
        return None
    text = formatted(file)
    return text if text != buffer.source.text else None

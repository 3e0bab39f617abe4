"""Where a text may be cut so that no character is cut in two, as a reader sees characters.

Such a character is an extended grapheme cluster of UAX 29: a letter with its accents, an emoji with
its joiners, a syllable of Devanagari.
"""

from __future__ import annotations

import regex

__all__ = ["is_between_graphemes"]

_GRAPHEME = regex.compile(r"\X")
_PLAIN = "\u0300"  # below it only a line break has more than one code point


def is_between_graphemes(text: str, at: int) -> bool:
    """Whether a place inside a text, which is not its end, lies between two characters."""
    if at <= 0:
        return at == 0
    before, behind = text[at - 1], text[at]
    if before < _PLAIN and behind < _PLAIN:
        return (before, behind) != ("\r", "\n")
    return any(found.start() == at for found in _GRAPHEME.finditer(text))

"""How wide a text is drawn, without asking for the letters of any font."""

from __future__ import annotations

from functools import cache

from composer.diagnostics import visible
from composer.diagnostics.printable import columns

THIN = frozenset("ijlftrI.,:;'|!()[]{} -`")
BROAD = frozenset("mwMW@%&")

MONO = 0.605
"""Width of a letter of a monospaced font, for a size of 1."""

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def one_line(text: str, longest: int | None = None) -> str:
    """Write a text on one line, without what cannot be shown, cut to a number of characters."""
    flat = " ".join(visible(text).split())
    return flat if longest is None or len(flat) <= longest else flat[: longest - 1] + ELLIPSIS


def sans_width(text: str, size: float) -> float:
    """Return about how wide a text is in a bold font without serifs, rather too much."""
    return size * sum(_letter(letter) for letter in text)


def mono_width(text: str, size: float) -> float:
    """Return how wide a text is in a monospaced font."""
    return size * MONO * columns(text)[-1]


def sans_clipped(text: str, size: float, width: float) -> str:
    """Cut a text so that it is no wider than this, with an ellipsis where it is cut."""
    if sans_width(text, size) <= width:
        return text
    room, count = width - sans_width(ELLIPSIS, size), 0
    while count < len(text) and room >= size * _letter(text[count]):
        room -= size * _letter(text[count])
        count += 1
    return text[:count].rstrip() + ELLIPSIS


def mono_clipped(text: str, size: float, width: float) -> str:
    """Cut a text in a monospaced font, as above."""
    if mono_width(text, size) <= width:
        return text
    room = int(width / (size * MONO)) - 1
    starts = columns(text)
    count = max((at for at, column in enumerate(starts) if column <= room), default=0)
    return text[:count].rstrip() + ELLIPSIS


@cache
def _letter(letter: str) -> float:
    if letter in THIN:
        return 0.42
    if letter in BROAD:
        return 0.95
    if letter.isupper():
        return 0.76
    return 0.64 if letter.isascii() else 0.64 * max(1, columns(letter)[-1]) + 0.1

"""Text as a terminal shows it: the width of characters, and replacements of unsafe ones."""

from __future__ import annotations

import re
import shutil
from unicodedata import category, combining, east_asian_width

TAB = 4
"""A tab reaches to the next column that this divides."""

UNSHOWN = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})
"""Control, direction and line-separating characters, which would spoil what stands around them."""

STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What steers a terminal or turns its text around; tabs, line breaks and joiners do neither."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

PIPED = 100
"""How wide tables and paragraphs are where no terminal and no `COLUMNS` says it."""


def line_width() -> int:
    """Give how wide a line may be: as the terminal, or as `COLUMNS` says, elsewhere 100."""
    return shutil.get_terminal_size((PIPED, 24)).columns


def columns(text: str) -> list[int]:
    """Give the column that each character begins in, and last the one after them all."""
    column, starts = 0, [0]
    for letter in text:
        column += TAB - column % TAB if letter == "\t" else _width(letter)
        starts.append(column)
    return starts


def printable(text: str) -> str:
    """Give a line of text as it can be printed: tabs as spaces, no control characters."""
    if text.isascii() and text.isprintable():
        return text
    starts = columns(text)
    return "".join(
        " " * (starts[i + 1] - starts[i]) if letter == "\t" else visible(letter)
        for i, letter in enumerate(text)
    )


def is_whole(text: str) -> bool:
    """Say whether a text has only whole characters: half of one (a lone surrogate) is no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def visible(text: str) -> str:
    """Replace what cannot be shown; line breaks stay."""
    if text.isprintable():
        return text
    return "".join(
        REPLACEMENT if letter != "\n" and category(letter) in UNSHOWN else letter for letter in text
    )


def steady(text: str) -> str:
    """Replace what would steer a terminal; all else stays as it is."""
    if text.isascii() and text.isprintable():
        return text
    return STEERING.sub(REPLACEMENT, text.replace("\r\n", "\n"))


def _width(letter: str) -> int:
    if letter.isascii():
        return 1
    if combining(letter) or category(letter) in ("Mn", "Me"):
        return 0
    return 2 if east_asian_width(letter) in "WF" else 1

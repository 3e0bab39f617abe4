"""Lines on a terminal: in its width, in colour, long paths cut at the front.

What is piped has neither: each line as it is, for programs and for `grep`.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from composer.cli.terminal import has_colours, is_terminal, out
from composer.diagnostics.printable import columns, steady

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "BOLD",
    "CYAN",
    "DIM",
    "GREEN",
    "YELLOW",
    "cut_paths",
    "fitted",
    "print_lines",
    "print_table",
]

BOLD, DIM, GREEN, YELLOW, CYAN = "1", "2", "32", "33", "36"

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"

NARROWEST = 40
"""Columns below which nothing is fitted any more."""

PATH = re.compile(r"(?:[^\s\"'`()\[\],]*/){2,}[^\s\"'`()\[\],]+")
"""A path of two folders and more."""

GAP = "  "
"""What stands between two columns."""

Styles = Mapping[str, str]
"""Colours by the pattern of what has them, or of its last group."""

PLAN_STYLES = {
    r"^(plan of |as written|pass \w+|[a-z]+$|steps\b)": BOLD,
    r"^ {8,}default: .*": DIM,
    r"   (# .*)$": DIM,
    r"^  (\w+)(?= :=)": CYAN,
    r" := (\w+)(?=\(|$)": BOLD,
    r"^  (\w+)(?=: | \(\d+ times\): )": YELLOW,
    r"^  (\w+)(?=  )": GREEN,
}
"""The colours of a plan."""


def print_lines(lines: Iterable[str], styles: Styles, *, cut: bool = False) -> None:
    """Write lines to stdout; a terminal gets them in its width, wrapped or `cut` at the end."""
    if not is_terminal(sys.stdout):
        for line in lines:
            out(line)
        return
    width = terminal_width()
    for line in lines:
        for row in fitted(steady(line), width, cut=cut):
            out(_coloured(row, styles), drawn=True)


def print_table(rows: Sequence[Sequence[str]], wrapped: int, styles: Sequence[str]) -> None:
    """Write rows in columns; on a terminal the cells of the column `wrapped` give way."""
    rows = [[steady(cell) for cell in row] for row in rows] if is_terminal(sys.stdout) else rows
    widths = [max((columns(row[at])[-1] for row in rows), default=0) for at in range(len(styles))]
    styles = styles if has_colours(sys.stdout) else [""] * len(styles)
    if is_terminal(sys.stdout):
        others = sum(widths) - widths[wrapped] + len(GAP) * (len(widths) - 1)
        widths[wrapped] = min(widths[wrapped], max(terminal_width() - others, NARROWEST // 2))
    room, indent = widths[wrapped], sum(widths[:wrapped]) + len(GAP) * wrapped
    for row in rows:
        first, *rest = _wrap(cut_paths(row[wrapped], room), room, room)
        cells = zip([*row[:wrapped], first, *row[wrapped + 1 :]], widths, styles, strict=True)
        out(GAP.join(_cell(*cell) for cell in cells).rstrip(), drawn=True)
        for line in rest:
            out(" " * indent + _painted(line, styles[wrapped]), drawn=True)


def terminal_width() -> int:
    """Return the columns of the terminal, at least a few."""
    return max(NARROWEST, shutil.get_terminal_size().columns)


def fitted(line: str, width: int, *, cut: bool = False) -> list[str]:
    """Return a line in rows of at most so many columns: paths give way, then it is wrapped."""
    if columns(line)[-1] <= width:
        return [line]
    line = cut_paths(line, width)
    if columns(line)[-1] <= width:
        return [line]
    if cut:
        return [_first(line, width - 1) + ELLIPSIS]
    indent = len(line) - len(line.lstrip())
    hanging = " " * min(indent + 4, width // 2)
    first, *rest = _wrap(line.lstrip(), width - indent, width - len(hanging))
    return [" " * indent + first, *(hanging + row for row in rest)]


def cut_paths(line: str, width: int) -> str:
    """Cut the fronts of paths, the longest first, until the line fits or only names are left."""
    for path in sorted(set(PATH.findall(line)), key=len, reverse=True):
        surplus = columns(line)[-1] - width
        if surplus <= 0:
            break
        parts = path.split("/")
        dropped = next(
            (at for at in range(1, len(parts)) if len("/".join(parts[:at])) - 1 >= surplus),
            len(parts) - 1,
        )
        line = line.replace(path, "/".join([ELLIPSIS, *parts[dropped:]]))
    return line


def _wrap(text: str, width: int, below: int) -> list[str]:
    """Break a text between words, or within one that is longer than a row.

    The first row has `width` columns, the rows `below` it so many.
    """
    rows: list[str] = []
    row = ""
    for word in re.split(r"(?<!=) (?!=)", text):
        room = below if rows else width
        longer = f"{row} {word}" if row else word
        if columns(longer)[-1] <= room or not row:
            row = longer
        else:
            rows.append(row.rstrip())
            row = word
        while columns(row)[-1] > (room := below if rows else width):
            begin = _first(row, room)
            rows.append(begin)
            row = row[len(begin) :]
    return [*rows, row.rstrip()] if row.strip() or not rows else rows


def _first(text: str, width: int) -> str:
    """Return as much of the beginning of a text as has room."""
    starts = columns(text)
    return text[: max(1, sum(end <= width for end in starts[1:]))]


def _cell(text: str, width: int, style: str) -> str:
    return _painted(text, style) + " " * (width - columns(text)[-1])


def _painted(text: str, style: str) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if style and text else text


def _coloured(line: str, styles: Styles) -> str:
    """Put colours into a line, if standard output may have them."""
    if not has_colours(sys.stdout) or not styles:
        return line
    marks: list[tuple[int, int, str]] = []
    for pattern, style in styles.items():
        for match in re.finditer(pattern, line):
            start, end = match.span(match.lastindex or 0)
            if all(end <= other[0] or start >= other[1] for other in marks) and end > start:
                marks.append((start, end, style))
    for start, end, style in sorted(marks, reverse=True):
        line = line[:start] + _painted(line[start:end], style) + line[end:]
    return line

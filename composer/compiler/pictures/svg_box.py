"""A box as SVG: its title, its members as chips, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.compiler.pictures.picture import FILL
from composer.compiler.pictures.svg_elements import mark, text_mark, words
from composer.compiler.pictures.text_width import (
    mono_clipped,
    mono_width,
    one_line,
    sans_clipped,
    sans_width,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.compiler.pictures.picture import Box, MemberChip

TITLE, SMALL, TINY = 13.0, 10.5, 9.0
"""Sizes of letters: titles, what is said of a box, and its name in the plan."""

PAD, LINE, CHIP, GAP = 11.0, 15.0, 19.0, 5.0
"""Room at the sides, height of a line of text, height of a row of chips, room between chips."""

WIDEST = 212.0
"""Width of what a box holds, at the most."""

MOST_FACTS, MOST_CHIPS = 5, 18
"""Lines and chips that a box shows; the rest is counted."""

Row = list[tuple[str, float]]
"""Chips beside each other, each with its width."""


@dataclass(frozen=True, slots=True)
class SizedBox:
    """What a box shows, cut to fit, and how large it is for that."""

    box: Box
    title: str
    rows: tuple[Row, ...]
    facts: tuple[str, ...]
    width: float
    height: float


def sized_box(box: Box, lines_in: int, *, down: bool) -> SizedBox:
    """Lay a box out; the side that lines come to is long enough for them."""
    id_width = mono_width(box.id, TINY) + 12
    title = sans_clipped(one_line(box.title), TITLE, WIDEST - id_width)
    rows = tuple(_rows(_counted([_chip(chip) for chip in box.chips], MOST_CHIPS)))
    facts_text = [mono_clipped(one_line(fact), SMALL, WIDEST) for fact in box.facts]
    facts = tuple(_counted(facts_text, MOST_FACTS))
    widths = [sans_width(title, TITLE) + id_width]
    widths += [sum(width for _, width in row) + GAP * (len(row) - 1) for row in rows]
    widths += [mono_width(fact, SMALL) for fact in facts]
    height = 2 * 8 + LINE + 1 + CHIP * len(rows) + LINE * len(facts)
    side = min(160.0, 9.0 * lines_in)
    return SizedBox(
        box, title, rows, facts,
        width=max(64.0, side * down, *widths) + 2 * PAD,
        height=max(height, side * (not down)),
    )  # fmt: skip


def draw_box(shown: SizedBox, x: float, y: float, width: float) -> Iterator[str]:
    """Draw a box with its upper left corner here."""
    box = shown.box
    fill, border = FILL[box.kind]
    yield f"<g><title>{words(_told(box))}</title>"
    yield mark(
        "rect", x=x, y=y, width=width, height=shown.height,
        rx=shown.height / 2 if box.kind == "query" and not shown.facts else 9,
        fill=fill, stroke=border, stroke_width=1.4,
        stroke_dasharray="5 4" if box.maybe else None,
    )  # fmt: skip
    at = y + (shown.height - _content(shown)) / 2 + 11.5
    yield text_mark(shown.title, x + PAD, at, TITLE, "#1f2328", weight=600)
    end = x + width - PAD
    yield text_mark(box.id, end, at, TINY, "#57606a", mono=True, anchor="end")
    at += 6
    for row in shown.rows:
        yield from _draw_row(row, x + PAD, at)
        at += CHIP
    for fact in shown.facts:
        at += LINE
        yield text_mark(fact, x + PAD, at - 4, SMALL, "#3d444d", mono=True)
    yield "</g>"


def _draw_row(row: Row, x: float, y: float) -> Iterator[str]:
    fill, border = FILL["model"]
    for name, width in row:
        yield mark(
            "rect", x=x, y=y, width=width, height=CHIP - 4, rx=7.5, fill=fill, stroke=border,
            stroke_width=0.8,
        )  # fmt: skip
        yield text_mark(name, x + width / 2, y + 11, SMALL, "#14532d", anchor="middle")
        x += width + GAP


def _rows(chips: list[str]) -> Iterator[Row]:
    """Put chips beside each other as long as there is room."""
    row: Row = []
    used = 0.0
    for chip in chips:
        width = sans_width(chip, SMALL) + 12
        if row and used + width > WIDEST:
            yield row
            row, used = [], 0.0
        row.append((chip, width))
        used += width + GAP
    if row:
        yield row


def _counted(shown: list[str], most: int) -> list[str]:
    """Count what is too much to show."""
    if len(shown) <= most:
        return shown
    return [*shown[: most - 1], f"and {len(shown) - most + 1} more"]


def _content(shown: SizedBox) -> float:
    return LINE + 1 + CHIP * len(shown.rows) + LINE * len(shown.facts)


def _chip(chip: MemberChip) -> str:
    return sans_clipped(one_line(str(chip)), SMALL, WIDEST - 12)


def _told(box: Box) -> str:
    """Write all that is known of a box: what a pointer over it shows."""
    chips = ", ".join(str(chip) for chip in box.chips)
    head = f"{box.id} {box.title}" + (" (may not run)" if box.maybe else "")
    return "\n".join(filter(None, (head, chips, *box.facts, box.place)))

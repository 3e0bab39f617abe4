"""What the colours and lines of a picture mean, in a row below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.pictures.picture import FILL, GREY
from composer.compiler.pictures.svg_elements import mark, text_mark
from composer.compiler.pictures.text_width import sans_width

if TYPE_CHECKING:
    from composer.compiler.pictures.picture import Picture

GIVES = {
    "query": "query",
    "text": "one answer",
    "candidates": "candidates",
    "ranking": "ranking",
    "decision": "decision",
    "model": "model",
}
"""What a box gives, by its colour."""

SIZE, SWATCH, HIGH = 10.0, 14.0, 18.0
"""Size of letters, width of a swatch, height of a row."""


def legend(picture: Picture, width: float) -> tuple[list[str], float]:
    """Return the marks of the legend of a picture this wide, and how high it is."""
    kinds = [kind for kind in GIVES if kind in picture.kinds]
    if any(box.chips for box in picture.boxes) and "model" not in kinds:
        kinds.append("model")
    maybe = any(edge.maybe for edge in picture.edges)
    marks: list[str] = []
    x = y = 0.0
    for kind in [*kinds, *(["maybe"] if maybe else [])]:
        name = GIVES.get(kind, "may not run")
        room = SWATCH + sans_width(name, SIZE) + 20
        if x and x + room > width:
            x, y = 0.0, y + HIGH
        marks += [_swatch(kind, x, y), text_mark(name, x + SWATCH + 6, y + 3.5, SIZE)]
        x += room
    return marks, y + HIGH


def _swatch(kind: str, x: float, y: float) -> str:
    if kind not in FILL:
        return mark(
            "path", d=f"M{x:.1f} {y:.1f} h{SWATCH:g}", stroke=GREY, stroke_width=1.4,
            stroke_dasharray="5 4",
        )  # fmt: skip
    face, border = FILL[kind]
    return mark(
        "rect", x=x, y=y - 5, width=SWATCH, height=10, rx=3, fill=face, stroke=border,
        stroke_width=1,
    )  # fmt: skip

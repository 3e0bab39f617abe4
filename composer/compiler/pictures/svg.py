"""A picture as SVG, drawn here: no other program is needed, and none is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.pictures.layout import LABEL, LONGEST, Layout
from composer.compiler.pictures.legend import legend
from composer.compiler.pictures.picture import GREY
from composer.compiler.pictures.svg_box import draw_box
from composer.compiler.pictures.svg_elements import attribute, mark, number, text_mark, words
from composer.compiler.pictures.text_width import one_line, sans_clipped, sans_width

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from composer.compiler.pictures.layout import DrawnHop, PlacedBox, Point
    from composer.compiler.pictures.picture import Picture

MARGIN, HEAD, STUB = 18.0, 26.0, 30.0
"""Room around, room for the name above, and the length of the last arrow."""

NARROWEST = 320.0
"""Width of the smallest picture."""

FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


def svg(picture: Picture) -> str:
    """Draw a picture as SVG that is legible on white and on black."""
    layout = Layout(picture, picture.deep)
    wide, high = layout.length + STUB + 50, layout.breadth
    if layout.down:
        wide, high = layout.breadth, layout.length + STUB + 16
    width = max(wide, NARROWEST)
    shown, legend_height = legend(picture, width)
    inset = MARGIN + (width - wide) / 2 * layout.down
    below = HEAD + high + MARGIN + 24
    lines = [
        _opening(width + 2 * MARGIN, below + legend_height + 2),
        f"<title>{words(picture.name)}</title>",
        DEFINED,
        text_mark(
            sans_clipped(one_line(picture.name), 12, width), MARGIN, MARGIN + 6, 12, weight=600
        ),
        *_moved(inset, HEAD + MARGIN, _drawing(layout)),
        *_moved(MARGIN, below, shown),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _opening(width: float, height: float) -> str:
    size = attribute(width=width, height=height)
    box = f"0 0 {number(width)} {number(height)}"
    attributes = f'{size} role="img" viewBox="{box}" font-family="{FONT}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg"{attributes}>'


def _moved(x: float, y: float, marks: Iterable[str]) -> Iterator[str]:
    yield f'<g transform="translate({number(x)} {number(y)})">'
    yield from marks
    yield "</g>"


DEFINED = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    f'orient="auto-start-reverse"><path d="M0 .8 7.4 4 0 7.2z" fill="{GREY}"/></marker></defs>'
)


def _drawing(layout: Layout) -> Iterator[str]:
    """Draw the lines, then the boxes, then the names on the lines."""
    lines = layout.lines()
    yield f'<g fill="none" stroke="{GREY}" stroke-width="1.4">'
    yield from (_line(line, down=layout.down) for line in lines)
    boxes = layout.boxes()
    answer = next(box for box in boxes if box.sized_box.box.id == layout.picture.answer)
    out, tip = _stub(answer, down=layout.down)
    yield mark("path", d=f"M{_at(out)} L{_at(tip)}", marker_end="url(#tip)")
    yield "</g>"
    for box in boxes:
        yield from draw_box(box.sized_box, box.x, box.y, box.width)
    for each_line in lines:
        if each_line.label:
            yield from _label(each_line, down=layout.down)
    word = (tip[0], tip[1] + 13) if layout.down else (tip[0] + 5, tip[1] + 4)
    yield text_mark("answer", *word, 11, anchor="middle" if layout.down else None)


def _stub(answer: PlacedBox, *, down: bool) -> tuple[Point, Point]:
    """Return the ends of the arrow that leaves the answer's box."""
    if down:
        out = (answer.x + answer.width / 2, answer.y + answer.sized_box.height)
        return out, (out[0], out[1] + STUB)
    out = (answer.x + answer.width, answer.y + answer.sized_box.height / 2)
    return out, (out[0] + STUB, out[1])


def _line(drawn: DrawnHop, *, down: bool) -> str:
    """Draw a hop: out of its layer, in one bend to the next, and on through that."""
    middle = (drawn.bend[0] + drawn.end[0]) / 2
    points = [
        drawn.start, drawn.bend, (middle, drawn.bend[1]), (middle, drawn.end[1]), drawn.end,
    ]  # fmt: skip
    start, bend, first, second, end = (_at(_turned(point, down=down)) for point in points)
    path = f"M{start} L{bend} C{first} {second} {end}"
    if drawn.through is not None:
        path += f" L{_at(_turned((drawn.through, drawn.end[1]), down=down))}"
    return mark(
        "path", d=path, stroke_dasharray="5 4" if drawn.maybe else None,
        marker_end="url(#tip)" if drawn.through is None else None,
    )  # fmt: skip


def _label(drawn: DrawnHop, *, down: bool) -> Iterator[str]:
    """Write a name in the middle of a hop, on a ground of its own."""
    middle = ((drawn.bend[0] + drawn.end[0]) / 2, (drawn.bend[1] + drawn.end[1]) / 2)
    x, y = _turned(middle, down=down)
    text = sans_clipped(one_line(drawn.label), LABEL, LONGEST)
    width = sans_width(text, LABEL) + 8
    yield mark(
        "rect", x=x - width / 2, y=y - 7.5, width=width, height=15, rx=7.5, fill="#f6f8fa",
        stroke="#d0d7de", stroke_width=0.8,
    )  # fmt: skip
    yield text_mark(text, x, y + 3.5, LABEL, "#57606a", anchor="middle")


def _turned(point: Point, *, down: bool) -> Point:
    return (point[1], point[0]) if down else point


def _at(point: Point) -> str:
    return f"{number(point[0])} {number(point[1])}"

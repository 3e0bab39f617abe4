"""Writing a plot into a file, whose name says how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.evaluate.plot.chart import chart_of
from composer.evaluate.plot.layout import HEIGHT, WIDTH, Dot, Line, lay_out
from composer.run import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from composer.evaluate.decisions import Decided
    from composer.evaluate.plot.layout import Mark
    from composer.evaluate.report import Report

__all__ = ["draw_plot", "svg"]

FONT = "ui-sans-serif, system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"


def draw_plot(path: Path, reports: Sequence[Report | Decided]) -> None:
    """Draw reports into a .png file, any other as SVG.

    Raises Failure where they give nothing to draw (E712) or the file cannot be written (E503).
    """
    marks = lay_out(chart_of(reports))
    if path.suffix.lower() == ".png":
        from composer.evaluate.plot.png import png

        content = png(marks)
    else:
        content = svg(marks).encode()
    try:
        path.write_bytes(content)
    except OSError as error:
        said = f"{path} cannot be written: {error.strerror or error}"
        raise Failure("E503", said, "give another `--plot`") from error


def svg(marks: Sequence[Mark]) -> str:
    """Write marks as SVG on white, legible wherever it is shown."""
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONT}" font-size="11">'
    ground = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    return "\n".join([head, ground, *map(_mark, marks), "</svg>"]) + "\n"


def _mark(each: Mark) -> str:
    from composer.compiler.pictures.marks import mark, number, words

    if isinstance(each, Line):
        lines = " ".join(f"{number(x)},{number(y)}" for x, y in each.points)
        dashes = "6 4" if each.dashed else None
        return mark(
            "polyline", points=lines, fill="none", stroke=each.color, stroke_width=each.width,
            stroke_dasharray=dashes, stroke_linejoin="round",
        )  # fmt: skip
    x, y = each.at
    if isinstance(each, Dot):
        return mark("circle", cx=x, cy=y, r=each.radius, fill=each.color)
    turned = f' transform="rotate(-90 {number(x)} {number(y)})"' if each.upright else ""
    place = f'x="{number(x)}" y="{number(y)}" fill="{each.color}" text-anchor="{each.anchor}"'
    return f"<text {place}{turned}>{words(each.text)}</text>"

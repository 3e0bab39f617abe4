"""A plot of two figures against each other, a curve for each way to trade one for the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

from composer.evaluate.plot import COLORS, FORMATS, GREY, INK, MARKERS, _style

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


Points = Sequence[Sequence[float]]


def draw(
    path: Path, curves: Mapping[str, Points], others: tuple[str, Points], labels: Sequence[str]
) -> None:
    """Draw curves of points (x, y), and other points by name, into a .svg, .png or .pdf file."""
    kind = path.suffix.lower()
    with _style():
        from matplotlib.figure import Figure

        shown = Figure(figsize=(7, 5.4))
        axes = shown.subplots()
        colors, markers = cycle([*COLORS, GREY]), cycle(MARKERS)
        name, points = others
        axes.plot(*zip(*points, strict=True), ".", label=name, color=GREY, markersize=4)
        for name, points in curves.items():
            one = len(points) == 1
            look = {"color": INK if one else next(colors), "linestyle": "none" if one else "-"}
            axes.plot(*zip(*points, strict=True), label=name, marker=next(markers), **look)
        axes.set(xlabel=labels[0], ylabel=labels[1])
        axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1))
        shown.savefig(path, dpi=160, bbox_inches="tight", metadata=FORMATS[kind])

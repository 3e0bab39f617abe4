"""A plot of two figures against each other, a curve for each way to trade one for the other."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING

from composer.evaluate.plot import COLORS, FORMATS, INK, MARKERS, _style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def draw(
    path: Path, curves: Mapping[str, Sequence[tuple[float, float]]], labels: tuple[str, str]
) -> None:
    """Draw curves of points (x, y) into a .svg, .png or .pdf file."""
    kind = path.suffix.lower()
    with _style():
        from matplotlib.figure import Figure

        shown = Figure(figsize=(7, 5.4))
        axes = shown.subplots()
        colors, markers = cycle(COLORS), cycle(MARKERS)
        for name, points in curves.items():
            one = len(points) == 1
            look = {"color": INK if one else next(colors), "linestyle": "none" if one else "-"}
            axes.plot(*zip(*points, strict=True), label=name, marker=next(markers), **look)
        axes.set(xlabel=labels[0], ylabel=labels[1])
        axes.legend()
        shown.savefig(path, dpi=160, bbox_inches="tight", metadata=FORMATS[kind])

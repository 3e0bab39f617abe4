"""Where the marks of a plot lie, in points from its upper left corner."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.evaluate.plot.chart import GREY, INK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.evaluate.plot.chart import Chart, Point, Series

__all__ = ["HEIGHT", "WIDTH", "Dot", "Label", "Line", "Mark", "lay_out"]

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 24, 20, 52
LETTER = 6.0
"""Width that a letter is given, in points: at most what either drawing takes."""

LIGHT = "#d8dee4"
TICKS = 6


@dataclass(frozen=True)
class Line:
    """A line through points."""

    points: tuple[Point, ...]
    color: str
    width: float = 2.0
    dashed: bool = False


@dataclass(frozen=True)
class Dot:
    """A filled circle."""

    at: Point
    color: str
    radius: float = 4.0


@dataclass(frozen=True)
class Label:
    """A line of text; `anchor` says which of its ends, or its middle, lies at the point."""

    text: str
    at: Point
    color: str = INK
    anchor: str = "start"
    upright: bool = False


Mark = Line | Dot | Label


@dataclass(frozen=True)
class _Axis:
    """A range of values over a range of points, with round values to mark."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def lay_out(chart: Chart) -> list[Mark]:
    """Place the marks of a chart, in the order in which they are drawn."""
    points = [point for each in chart.series for point in each.points]
    across = _axis([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = _axis([y for _, y in points], HEIGHT - BOTTOM, TOP)
    marks = [*_grid(chart, across, up)]
    for each in chart.series:
        placed = tuple((across(x), up(y)) for x, y in each.points)
        marks += _line(each, placed) if each.line else _apart(each, placed)
    return [*marks, *_legend([each for each in chart.series if each.line])]


def _axis(values: Sequence[float], start: float, end: float) -> _Axis:
    low, high = min(values), max(values)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    low, high = low - room, high + room
    step = _round((high - low) / TICKS)
    first = math.ceil(low / step)
    ticks = tuple(at * step for at in range(first, math.floor(high / step) + 1))
    return _Axis(low, high, start, end, ticks)


def _round(step: float) -> float:
    """The next of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def _grid(chart: Chart, across: _Axis, up: _Axis) -> Iterator[Mark]:
    for tick in across.ticks:
        x = across(tick)
        yield Line(((x, up.start), (x, up.end)), LIGHT, 1)
        yield Label(f"{tick:.4g}", (x, up.start + 16), anchor="middle")
    for tick in up.ticks:
        y = up(tick)
        yield Line(((across.start, y), (across.end, y)), LIGHT, 1)
        yield Label(f"{100 * tick:.4g} %", (across.start - 6, y + 4), anchor="end")
    corner = ((across.start, up.end), (across.start, up.start), (across.end, up.start))
    yield Line(corner, GREY, 1)
    yield Label(chart.across, ((across.start + across.end) / 2, HEIGHT - 14), anchor="middle")
    yield Label(chart.up, (14, (up.start + up.end) / 2), anchor="middle", upright=True)


def _line(each: Series, points: tuple[Point, ...]) -> list[Mark]:
    return [Line(points, each.color, 1.5 if each.dashed else 2.2, each.dashed)]


def _apart(each: Series, points: tuple[Point, ...]) -> list[Mark]:
    marks: list[Mark] = [Dot(point, each.color) for point in points]
    for label, (x, y) in zip(each.labels, points, strict=True):
        right = x + 8 + LETTER * len(label) > WIDTH - 4
        place = (x - 8, y + 4) if right else (x + 8, y + 4)
        marks.append(Label(label, place, each.color, "end" if right else "start"))
    return marks


def _legend(lines: Sequence[Series]) -> Iterator[Mark]:
    """Name the lines in the lower right corner, where curves that rise leave room."""
    longest = max((len(each.name) for each in lines), default=0)
    x = WIDTH - RIGHT - 12 - LETTER * longest
    for at, each in enumerate(reversed(lines)):
        y = HEIGHT - BOTTOM - 14 - 16 * at
        yield Line(((x - 30, y), (x - 8, y)), each.color, 2, each.dashed)
        yield Label(each.name, (x, y + 4))

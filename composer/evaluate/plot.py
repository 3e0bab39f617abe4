"""Plots of quality over cost, drawn by matplotlib (the extra `plot`)."""

from __future__ import annotations

import io
import logging
import textwrap
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from itertools import cycle
from typing import TYPE_CHECKING, Any

from composer.diagnostics import visible
from composer.diagnostics.amounts import counted
from composer.evaluate.baselines import LENGTH, ORACLE, ZERO
from composer.evaluate.series import series_of, unit_of
from composer.heavy import np
from composer.quiet import quiet
from composer.run import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from composer.evaluate.decisions import Decided
    from composer.evaluate.report import Report
    from composer.evaluate.series import Series

__all__ = ["COLORS", "GREY", "draw_plot", "figure_of", "save_plot"]

FORMATS: dict[str, dict[str, None]] = {
    ".png": {},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
"""How the names of plots end, and the metadata that leave the date out of the file."""

UNITS = {
    "$": (1000, "Cost per 1,000 queries ($)"),
    "calls": (100, "Queries that the stronger model answers (%)"),
}
LOG_FROM = 100
"""How many times the least cost the greatest is where the axis becomes logarithmic."""

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Those of Okabe and Ito, which colour-blind readers can tell apart; used in turn by recipes."""

MARKERS = "os^DvP<X>pHd"
"""Used in turn by members."""

GREY, INK = "#8c959f", "#24292f"
LOOKS: dict[str, dict[str, Any]] = {
    "curve": {"linewidth": 2.2},
    "recipe": {"marker": "*", "markersize": 15},
    "member": {"color": INK, "markersize": 9, "markerfacecolor": "none", "markeredgewidth": 1.5},
    ORACLE: {"color": GREY, "marker": "x", "markersize": 8, "markeredgewidth": 2},
    ZERO: {"color": GREY, "linestyle": "--", "zorder": 1.5},
    LENGTH: {"color": GREY, "linestyle": ":", "zorder": 1.5},
}

SUFFIXES = {"curve": ", curve", "decision": ", as it decides"}
LONGEST, WIDTH = 56, 32
"""How many letters of a name the legend shows, and how many of them on a line."""

STYLE = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": [
        *("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Hiragino Sans", "PingFang SC"),
        *("Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Arial Unicode MS"),
    ],
    "grid.color": "#e6eaee",
    "legend.frameon": False,
    "svg.hashsalt": "ensemble-composer",
    "text.parse_math": False,
}
"""How plots look, whatever a user's matplotlibrc says; the same input gives the same file."""


def draw_plot(path: Path, reports: Sequence[Report | Decided]) -> None:
    """Draw reports, or decisions, into a .png, .svg or .pdf file.

    Raises Failure as `save_plot` does, and where there is nothing to plot (E712).
    """
    save_plot(path, lambda: figure_of(reports))


def save_plot(path: Path, figure: Callable[[], Figure]) -> None:
    """Write the figure that a function makes, drawn in our style, into a .png, .svg or .pdf file.

    Raises Failure where matplotlib is missing (E712), and where the file cannot be written (E718).
    """
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise Failure("E712", f"a plot must be a {', '.join(FORMATS)} file, not `{path.name}`")
    if find_spec("matplotlib") is None:
        message = "a plot needs the package matplotlib, which is not installed"
        raise Failure("E712", message, "`pip install 'ensemble-composer[plot]'`")
    content = io.BytesIO()
    with _style():
        figure().savefig(
            content, format=ending[1:], dpi=160, bbox_inches="tight", metadata=FORMATS[ending]
        )
    try:
        path.write_bytes(content.getvalue())
    except OSError as error:
        message = f"cannot write {path}: {error.strerror or error}"
        raise Failure("E718", message, "give another `--plot`") from error


@contextmanager
def _style() -> Iterator[None]:
    """Let matplotlib draw in our style, silently; its settings are then as they were before.

    When it first looks for fonts, it may warn from a thread of its own, which `quiet` cannot reach.
    """
    fonts = logging.getLogger("matplotlib.font_manager")
    disabled, fonts.disabled = fonts.disabled, True
    try:
        with quiet():
            from matplotlib import style

            with style.context(["default", STYLE]):
                yield
    finally:
        fonts.disabled = disabled


def figure_of(reports: Sequence[Report | Decided]) -> Figure:
    """Return the plot of reports, or decisions, as a figure of matplotlib.

    Raises Failure (E712) where nothing has a cost, where costs are of several kinds, or where
    decisions were not judged.
    """
    from matplotlib.figure import Figure

    factor, label = UNITS[unit_of(reports)]
    shown = _looks(reports)
    if not shown:
        raise Failure("E712", "there is nothing to plot: no row was judged")
    quality = "Score" if any((one.router or one).graded for one in reports) else "Accuracy"
    figure = Figure(figsize=(7.5, 4.8))
    axes = figure.subplots()
    handles = [_drawn(axes, series, look, factor) for series, look in shown.items()]
    axes.legend(
        handles, map(_label, shown), loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0
    )
    costs = [cost for series in shown for cost, _ in series.points]
    if min(costs) > 0 and max(costs) >= LOG_FROM * min(costs):
        axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set(xlabel=label, ylabel=f"{quality} (%), with 95% intervals")
    counts = {one.router.rows if one.router else one.judged for one in reports}
    over = f" over {counted(counts.pop(), 'query')}" if len(counts) == 1 else ""
    axes.set_title(f"{quality} and cost{over}")
    return figure


def _looks(reports: Sequence[Report | Decided]) -> dict[Series, dict[str, Any]]:
    """How each series is drawn, in the order of the legend; equal ones of several reports once.

    A baseline that differs from report to report is named with its recipe.
    """
    color, marker = cycle(COLORS), cycle(MARKERS)
    looks: dict[Series, dict[str, Any]] = {}
    for report in reports:
        ours = next(color)
        for series in series_of(report):
            if series in looks:
                continue
            is_baseline = series.role == "baseline"
            if is_baseline and any(series.name == other.name for other in looks):
                own = replace(series, name=f"{series.name} of {report.recipe}")
                looks[own] = _look(series, ours, marker)
            else:
                looks[series] = _look(series, ours, marker)
    order = {"member": 1, "baseline": 2}
    return dict(sorted(looks.items(), key=lambda item: order.get(item[0].role, 0)))


def _look(series: Series, color: str, marker: Iterator[str]) -> dict[str, Any]:
    kind = {"baseline": series.name, "decision": "recipe"}.get(series.role, series.role)
    look = {"color": color, **LOOKS[kind]}
    if series.role == "member":
        look["marker"] = next(marker)
    return look if series.interval is None else {"linestyle": "none", **look}


def _label(series: Series) -> str:
    """The name of a series in the legend: what is in the middle of a long one is left out."""
    name = visible(series.name)
    if len(name) > LONGEST:
        name = f"{name[: LONGEST // 2]}…{name[-LONGEST // 2 + 1 :]}"
    return textwrap.fill(name + SUFFIXES.get(series.role, ""), WIDTH)


def _drawn(axes: Axes, series: Series, look: dict[str, Any], factor: float) -> Artist:
    """Draw one series, with its interval if it has one; return what the legend shows of it."""
    cost, quality = np.array(series.points).T
    bars = None
    if series.interval is not None:
        ends = (quality[0] - series.interval.low, series.interval.high - quality[0])
        bars = [[100 * max(end, 0.0)] for end in ends]
    marks = axes.errorbar(factor * cost, 100 * quality, bars, capsize=3, elinewidth=1.2, **look)
    return marks.lines[0]

"""What a search of coefficients is told as: lines of text, and a plot of its history."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from composer.diagnostics.amounts import counted, number_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from composer.compiler.fits import ManifestEntry

__all__ = ["draw_histories", "history_figure", "search_lines"]


def search_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a search tried and found; nothing for the report of another fit."""
    history, members = report.get("history"), report.get("members", ())
    if not history:
        return
    lowers = "entropy" in report
    best = (min if lowers else max)(history)
    tries = counted(len(history), "stack" if "layers" in report else "merge")
    steps = counted(len(history), "step")
    what, unit = ("entropy", steps) if lowers else ("score", f"{tries} tried")
    last = f"at the end {_short(history[-1])}" if lowers else f"the best {_short(best)}"
    yield f"{unit}: {what} at first {_short(history[0])}, {last}"
    if "layers" in report:
        pairs = zip(report["layers"], report["scales"], strict=True)
        yield "layers: " + ", ".join(layer + _scale(scale) for layer, scale in pairs)
    table = report.get("coefficients", ())
    for name, row in zip(_groups(len(table)), table, strict=True):
        pairs = zip(members, row, strict=True)
        yield f"{name}: {', '.join(f'{member} {_short(each)}' for member, each in pairs)}"
    for option, value in report.get("options", {}).items():
        yield f"option {option} of the edit: {_short(value)}"
    if "kept" in report:
        yield f"the mask keeps {100 * report['kept']:.1f} % of the numbers"


def _scale(value: float) -> str:
    """Say what the input of a layer is multiplied by, if by anything."""
    return "" if value == 1 else f" (input * {_short(value)})"


def _short(value: float) -> str:
    return number_text(value, 4)


def _groups(rows: int) -> list[str]:
    """Name the rows of a table of coefficients."""
    if rows <= 1:
        return ["coefficients"] * rows
    return ["beside the layers", *(f"group {group} of {rows - 1}" for group in range(1, rows))]


def draw_histories(path: Path, entries: Sequence[ManifestEntry]) -> None:
    """Plot the histories of searched coefficients into a file, one below the other.

    Raises Failure as `save_plot` does, and where nothing was searched (E712).
    """
    from composer.evaluate import save_plot
    from composer.run import Failure

    reports = {entry.part["name"]: entry.report for entry in entries if "history" in entry.report}
    if not reports:
        text = "there is nothing to plot: no merge and no stack was searched"
        raise Failure("E712", text, "leave out `--plot`")
    save_plot(path, lambda: history_figure(reports))


def history_figure(reports: Mapping[object, Mapping[str, Any]]) -> Figure:
    """Return the figure of histories: what each try came to, and the best so far."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 3.6 * len(reports)))
    panels = figure.subplots(len(reports), squeeze=False)[:, 0]
    for axes, (name, report) in zip(panels, reports.items(), strict=True):
        _draw(axes, str(name), report)
    figure.tight_layout()
    return figure


def _draw(axes: Axes, name: str, report: Mapping[str, Any]) -> None:
    from composer.evaluate.plot import COLORS, GREY

    history: list[float] = report["history"]
    places = range(1, len(history) + 1)
    lowers = "entropy" in report
    if lowers:
        axes.plot(places, history, color=COLORS[0], label="entropy of a batch")
    else:
        axes.plot(places, history, "o", color=GREY, markersize=4, label="a merge that was tried")
        best = list(accumulate(history, max))
        axes.step(places, best, where="post", color=COLORS[0], label="the best so far")
    axes.set(xlabel="Step" if lowers else "Merge", ylabel="Entropy (nats)" if lowers else "Score")
    axes.set_title(f"Search of {name}")
    axes.legend(loc="best")

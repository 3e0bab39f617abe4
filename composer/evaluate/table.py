"""Reports drawn as tables for people."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from composer.evaluate.comparison import Comparison, Difference
    from composer.evaluate.report import Report

__all__ = ["drawn", "render"]

FEWEST_TAGS = 2


def render(comparison: Comparison, *, width: int | None = None, color: bool = False) -> str:
    """Write a comparison as text, as wide as the terminal unless said otherwise."""
    from rich.console import Console

    console = Console(width=width, color_system="standard" if color else None, file=StringIO())
    with console.capture() as capture:
        console.print(drawn(comparison))
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def drawn(comparison: Comparison) -> RenderableType:
    """Draw every report, then the differences between them."""
    parts: list[RenderableType] = [part for one in comparison.reports for part in _report(one)]
    parts += [Text(_difference(one)) for one in comparison.differences]
    return Group(*parts)


def _report(report: Report) -> Iterator[RenderableType]:
    yield _main(report)
    if len(report.tags) >= FEWEST_TAGS:
        yield Text()
        yield _tags(report)
    yield Text("".join(f"{line}\n" for line in _remarks(report)))


def _main(report: Report) -> Table:
    table = _table(f"{report.rows:,} rows", "accuracy", "95%", "cost", "tokens", "seconds")
    spread = report.interval
    table.add_row(
        report.recipe,
        _percent(report.accuracy),
        f"{100 * spread.low:.1f} to {100 * spread.high:.1f}" if spread else "",
        _dollars(report.cost),
        f"{report.tokens:,}",
        f"{report.seconds:.1f}",
        style="bold",
    )
    for name, alone in report.members.items():
        best = " (best member)" if name == report.best_member else ""
        table.add_row(f"  {name}{best}", _percent(alone.accuracy), "", _dollars(alone.cost))
    if report.members:
        table.add_row("  a member by chance", _percent(report.random), style="dim")
        table.add_row("  the right member, always", _percent(report.oracle), style="dim")
    return table


def _tags(report: Report) -> Table:
    table = _table("tag", "rows", "accuracy")
    for tag, one in report.tags.items():
        table.add_row(tag, f"{one.rows:,}", _percent(one.accuracy))
    return table


def _table(first: str, *columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _remarks(report: Report) -> Iterator[str]:
    if report.errors:
        yield f"{report.errors:,} of the rows failed and count as wrong."
    unknown = report.rows - report.judged
    if unknown:
        yield f"{unknown:,} of the rows have no reference to judge by and are left out."


def _difference(one: Difference) -> str:
    low, high = 100 * one.interval.low, 100 * one.interval.high
    settled = "" if one.interval.settled else "; not settled"
    points = f"{100 * one.interval.mean:+.1f} points ({low:+.1f} to {high:+.1f}{settled})"
    return f"{one.recipe} over {one.than}: {points} on {one.rows:,} rows"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.1f} %"


def _dollars(cost: float) -> str:
    return f"${cost:.4f}" if cost else ""

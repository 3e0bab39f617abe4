"""Reports drawn as tables for people."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from composer.diagnostics.amounts import cost_text, counted
from composer.diagnostics.printable import line_width
from composer.evaluate.cells import Sheet, interval_text, percent
from composer.evaluate.differences import decided_differences
from composer.evaluate.router_table import FIGURES, router_tables
from composer.evaluate.sentences import between, decided_remarks, remarks, unjudged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from composer.evaluate.decisions import Decided
    from composer.evaluate.differences import Difference
    from composer.evaluate.report import Report
    from composer.evaluate.slices import Tagged
    from composer.metrics import Interval

__all__ = ["decided", "drawn", "shown"]

FEWEST_TAGS = 2
LONG = 16
"""From this length on a model's name heads no column."""


def shown(parts: Group, *, width: int | None = None, color: bool = False) -> str:
    """Write tables and sentences, no line wider than `width`, by default that of the terminal."""
    from rich.console import Console

    console = Console(
        width=width or line_width(),
        color_system="standard" if color else None,
        file=StringIO(),
    )
    with console.capture() as capture:
        console.print(parts)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def drawn(reports: Sequence[Report], differences: Sequence[Difference]) -> Group:
    """Draw every report, then the differences between them."""
    parts: list[RenderableType] = [part for one in reports for part in _report(one)]
    return Group(*parts, *(Text(_difference(one)) for one in differences))


def decided(several: Sequence[Decided]) -> Group:
    """Draw what routes decided, what that would have given where the data tell, and compare."""
    parts = [part for one in several for part in _decided(one)]
    return Group(*parts, *(Text(_difference(one)) for one in decided_differences(several)))


def _decided(one: Decided) -> Iterator[RenderableType]:
    rate = len(one.decisions) / one.seconds if one.seconds else 0
    pace = f"decided in {one.seconds:.2f} s, {rate:,.0f} a second"
    yield Text(f"{one.recipe}, {counted(len(one.decisions), 'row')}, {pace}\n")
    if one.router is None or one.router.rows < len(one.decisions):
        rows = Sheet("the route, all rows", "chosen")
        for name, share in one.shares.items():
            rows.add_row(f"  {name}", percent(share))
        yield rows
        yield Text()
    if one.router is None:
        yield Text(f"{unjudged(one)}\n")
        return
    yield from router_tables(one.router, alone=True)
    if len(one.tags) >= FEWEST_TAGS:
        yield Text()
        yield tags_table(one.tags, one.router.best)
    yield from one.published.draw() if one.published is not None else ()
    yield _said(decided_remarks(one))


def _report(report: Report) -> Iterator[RenderableType]:
    yield _main(report)
    for one in (report.router, report.cascade):
        if one is not None:
            yield Text()
            yield from router_tables(one, alone=one.rows != report.judged)
    if len(report.tags) >= FEWEST_TAGS:
        yield Text()
        yield tags_table(report.tags, report.best_member)
    yield from report.published.draw() if report.published is not None else ()
    yield _said(remarks(report))


def _said(sentences: Iterable[str]) -> Text:
    """Write sentences below a table, an empty line before and after them."""
    lines = [f"\n{each}" for each in sentences]
    return Text("".join(lines) + "\n" * bool(lines))


def _main(report: Report) -> Sheet:
    quality = "score" if report.graded else "accuracy"
    rows = Sheet(counted(report.rows, "row"), quality, "95%", "cost", "tokens", "seconds")
    rows.add_row(
        report.recipe,
        percent(report.accuracy),
        interval_text(report.interval),
        _dollars(report.estimated_cost),
        "" if report.tokens is None else f"{report.tokens:,}",
        f"{report.seconds:.1f}",
        style="bold",
    )
    for name, alone in report.members.items():
        best = " (best member)" if name == report.best_member else ""
        rows.add_row(f"  {name}{best}", percent(alone.accuracy), "", _dollars(alone.cost))
    for one in report.equal:
        if one.accuracy is not None:
            cost = _dollars((one.cost or 0.0) * report.rows)
            name = f"  {one.member}, {one.samples} samples and a vote"
            rows.add_row(name, percent(one.accuracy.mean), interval_text(one.accuracy), cost)
    if report.members:
        rows.add_row("  a member by chance", percent(report.random), style="dim")
        rows.add_row("  the right member, always", percent(report.oracle), style="dim")
    return rows


def tags_table(tags: Mapping[str, Tagged], best: str | None) -> Sheet:
    """Draw the rows of each tag beside the best single model on them, where there is one."""
    compared = any(one.best is not None for one in tags.values())
    columns = (f"{best} alone" if len(str(best)) < LONG else "best alone", "difference")
    rows = Sheet("tag", "rows", "accuracy", *(columns * compared))
    for tag, one in tags.items():
        theirs = [percent(one.best), _points(one.difference)] if one.best is not None else []
        rows.add_row(tag, f"{one.rows:,}", percent(one.accuracy), *theirs)
    return rows


def _difference(one: Difference) -> str:
    rows = counted(one.rows, "row")
    if one.measure != "accuracy":
        return f"{one.recipe} over {one.than}, {FIGURES[one.measure].split(',')[0]}: {_plain(one)}"
    return f"{one.recipe} over {one.than}: {between(one.interval)} on {rows}"


def _points(one: Interval | None) -> str:
    if one is None:
        return "too few rows"
    return f"{100 * one.mean:+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f})"


def _plain(one: Difference) -> str:
    settled = "" if one.interval.settled else ", not significant"
    low, high, rows = one.interval.low, one.interval.high, counted(one.rows, "row")
    return f"{one.interval.mean:+.3f} ({low:+.3f} to {high:+.3f}{settled}) on {rows}"


def _dollars(cost: float | None) -> str:
    return "" if cost is None else cost_text(cost)

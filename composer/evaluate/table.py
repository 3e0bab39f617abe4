"""Reports drawn as tables for people."""

from __future__ import annotations

import shutil
import sys
from io import StringIO
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from composer.evaluate.baselines import ORACLE
from composer.evaluate.comparison import decided_differences
from composer.evaluate.sweep import AIQ, APGR, EQUAL, LENGTH_APGR, ZERO_AIQ
from composer.evaluate.words import between, decided_remarks, remarks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from composer.evaluate.comparison import Comparison, Difference
    from composer.evaluate.decisions import Decided
    from composer.evaluate.report import Report
    from composer.evaluate.router import Router, Standing
    from composer.evaluate.slices import Tagged
    from composer.metrics import Interval

__all__ = ["decided", "drawn", "render", "shown"]

FEWEST_TAGS = 2
NARROWEST, WIDEST = 80, 10_000

FIGURES = {
    APGR: "APGR, gap recovered over all shares (chance .5)",
    LENGTH_APGR: "  the same of prompt length",
    "cpt_20": "CPT, strong calls that recover 20 % of the gap",
    "cpt_50": "  50 %",
    "cpt_80": "  80 %",
    AIQ: "AIQ, area under the hull / greatest cost",
    ZERO_AIQ: "  the same of the zero-router",
    EQUAL: "cost at the best single model's quality",
}
"""The figures of a curve, in the order in which they are shown, and how they are called."""

SHARES = frozenset({"cpt_20", "cpt_50", "cpt_80", EQUAL})


def render(comparison: Comparison, *, width: int | None = None, color: bool = False) -> str:
    """Write a comparison as text: see `shown`."""
    return shown(drawn(comparison), width=width, color=color)


def shown(parts: Group, *, width: int | None = None, color: bool = False) -> str:
    """Write tables and sentences as wide as the terminal, elsewhere as wide as the tables need."""
    from rich.console import Console

    console = Console(
        width=width or WIDEST, color_system="standard" if color else None, file=StringIO()
    )
    if width is None:
        seen = shutil.get_terminal_size((NARROWEST, 24)).columns
        tables = [each for each in parts.renderables if isinstance(each, Table)]
        needed = max((console.measure(each).maximum for each in tables), default=0)
        console.width = seen if sys.stdout.isatty() else max(seen, needed)
    with console.capture() as capture:
        console.print(parts)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def drawn(comparison: Comparison) -> Group:
    """Draw every report, then the differences between them."""
    parts: list[RenderableType] = [part for one in comparison.reports for part in _report(one)]
    parts += [Text(_difference(one)) for one in comparison.differences]
    return Group(*parts)


def decided(several: Sequence[Decided]) -> Group:
    """Draw what routes decided, what that would have given where the data tell, and compare."""
    parts = [part for one in several for part in _decided(one)]
    return Group(*parts, *(Text(_difference(one)) for one in decided_differences(several)))


def _decided(one: Decided) -> Iterator[RenderableType]:
    table = _table(f"{one.recipe}, {len(one.decisions):,} rows", "chosen")
    for name, share in one.shares.items():
        table.add_row(f"  {name}", _percent(share))
    yield table
    rate = len(one.decisions) / one.seconds if one.seconds else 0
    yield Text(f"decided in {one.seconds:.2f} s, {rate:,.0f} a second\n")
    if one.router is None:
        yield Text("The data do not hold the outcomes of all choices, so none is judged.\n")
        return
    yield from router_tables(one.router, alone=True)
    if len(one.tags) >= FEWEST_TAGS:
        yield Text()
        yield tags_table(one.tags, one.router.best)
    yield _said(decided_remarks(one))


def _report(report: Report) -> Iterator[RenderableType]:
    yield _main(report)
    if report.router is not None:
        yield Text()
        yield from router_tables(report.router, alone=report.router.rows != report.judged)
    if len(report.tags) >= FEWEST_TAGS:
        yield Text()
        yield tags_table(report.tags, report.best_member)
    yield _said(remarks(report))


def _said(sentences: Iterable[str]) -> Text:
    """Write sentences below a table, an empty line before and after them."""
    lines = [f"\n{each}" for each in sentences]
    return Text("".join(lines) + "\n" * bool(lines))


def _main(report: Report) -> Table:
    quality = "score" if report.graded else "accuracy"
    table = _table(f"{report.rows:,} rows", quality, "95%", "cost", "tokens", "seconds")
    table.add_row(
        report.recipe,
        _percent(report.accuracy),
        _range(report.interval),
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


def router_tables(router: Router, *, alone: bool) -> Iterator[RenderableType]:
    """Draw a router beside its baselines, and its choices if they are to stand `alone`."""
    cost = {"$": "mean cost", "calls": "strong calls"}.get(router.unit, "")
    quality = "score" if router.graded else "accuracy"
    table = _table(f"the route, {router.rows:,} rows", quality, "95%", cost)
    mixed = ", ".join(f"{100 * share:.0f} % {name}" for name, share in router.shares.items())
    _stand(table, f"as it decides: {mixed}", router.decided, router.unit, style="bold")
    for name, one in router.singles.items() if alone else ():
        best = " (best)" if name == router.best else ""
        _stand(table, f"  {name}{best}", one, router.unit)
    for name, one in router.baselines.items():
        same = "" if name == ORACLE else ", same cost" if name == "zero-router" else ", same shares"
        _stand(table, f"  {name}{same}", one, router.unit, style="dim")
    yield table
    if router.figures:
        yield Text()
        yield _figures(router.figures)


def _stand(table: Table, name: str, one: Standing, unit: str, style: str | None = None) -> None:
    cost = {"$": f"${one.cost:.3g}", "calls": _percent(one.cost)}.get(unit, "")
    table.add_row(name, _percent(one.accuracy.mean), _range(one.accuracy), cost, style=style)


def _figures(figures: Mapping[str, Interval]) -> Table:
    table = _table("over the whole curve", "", "95%")
    for name, label in FIGURES.items():
        one = figures.get(name)
        if one is not None:
            ends = f"{_figure(name, one.low)} to {_figure(name, one.high)}"
            table.add_row(label, _figure(name, one.mean), ends)
    return table


def _figure(name: str, value: float) -> str:
    if value != value:  # noqa: PLR0124 - only what is undefined differs from itself
        return "undefined"
    if value == float("inf"):
        return "never"
    return f"{100 * value:.1f} %" if name in SHARES else f"{value:.3f}"


def tags_table(tags: Mapping[str, Tagged], best: str | None) -> Table:
    """Draw the rows of each tag beside the best single model on them, where there is one."""
    compared = any(one.difference is not None for one in tags.values())
    table = _table("tag", "rows", "accuracy", *((f"{best} alone", "difference") * compared))
    for tag, one in tags.items():
        theirs = [_percent(one.best), _spread(one.difference)] if one.difference else []
        table.add_row(tag, f"{one.rows:,}", _percent(one.accuracy), *theirs)
    return table


def _table(first: str, *columns: str) -> Table:
    """Make a table whose first column gives way where there is too little room."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column(first, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _difference(one: Difference) -> str:
    rows = f"{one.rows:,} rows"
    if one.measure != "accuracy":
        return f"{one.recipe} over {one.than}, {FIGURES[one.measure].split(',')[0]}: {_plain(one)}"
    return f"{one.recipe} over {one.than}: {between(one.interval)} on {rows}"


def _spread(one: Interval) -> str:
    return f"{100 * one.mean:+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f})"


def _plain(one: Difference) -> str:
    settled = "" if one.interval.settled else ", not settled"
    low, high = one.interval.low, one.interval.high
    return f"{one.interval.mean:+.3f} ({low:+.3f} to {high:+.3f}{settled}) on {one.rows:,} rows"


def _range(one: Interval | None) -> str:
    return f"{100 * one.low:.1f} to {100 * one.high:.1f}" if one is not None else ""


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{100 * share:.1f} %"


def _dollars(cost: float) -> str:
    return f"${cost:.4f}" if cost else ""

"""A router beside its baselines, and the figures of its curve, drawn as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from composer.evaluate.baselines import ORACLE, ZERO
from composer.evaluate.cells import interval_text, percent, table
from composer.evaluate.sweep import AIQ, APGR, EQUAL, LENGTH_APGR, ZERO_AIQ

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType
    from rich.table import Table

    from composer.evaluate.router import Router, Standing
    from composer.metrics import Interval

__all__ = ["FIGURES", "router_tables"]

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


def router_tables(router: Router, *, alone: bool) -> Iterator[RenderableType]:
    """Draw a router beside its baselines, and its choices if they are to stand `alone`."""
    cost = {"$": "mean cost", "calls": "strong calls"}.get(router.unit, "")
    quality = "score" if router.graded else "accuracy"
    drawn = table(f"the route, {router.rows:,} rows", quality, "95%", cost)
    mixed = ", ".join(f"{100 * share:.0f} % {name}" for name, share in router.shares.items())
    _stand(drawn, f"as it decides: {mixed}", router.decided, router.unit, style="bold")
    for name, one in router.singles.items() if alone else ():
        best = " (best)" if name == router.best else ""
        _stand(drawn, f"  {name}{best}", one, router.unit)
    for name, one in router.baselines.items():
        same = "" if name == ORACLE else ", same cost" if name == ZERO else ", same shares"
        _stand(drawn, f"  {name}{same}", one, router.unit, style="dim")
    yield drawn
    if router.figures:
        yield Text()
        yield _figures(router.figures)


def _stand(drawn: Table, name: str, one: Standing, unit: str, style: str | None = None) -> None:
    cost = {"$": f"${one.cost:.3g}", "calls": percent(one.cost)}.get(unit, "")
    drawn.add_row(name, percent(one.accuracy.mean), interval_text(one.accuracy), cost, style=style)


def _figures(figures: Mapping[str, Interval]) -> Table:
    drawn = table("over the whole curve", "", "95%")
    for name, label in FIGURES.items():
        one = figures.get(name)
        if one is not None:
            ends = f"{_figure(name, one.low)} to {_figure(name, one.high)}"
            drawn.add_row(label, _figure(name, one.mean), ends)
    return drawn


def _figure(name: str, value: float) -> str:
    if value != value:  # noqa: PLR0124 - only what is undefined differs from itself
        return "undefined"
    if value == float("inf"):
        return "never"
    return f"{100 * value:.1f} %" if name in SHARES else f"{value:.3f}"

"""A router beside its baselines, and the figures of its curve, drawn as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from composer.diagnostics.amounts import cost_text, counted
from composer.evaluate.baselines import ORACLE, ZERO
from composer.evaluate.cells import Sheet, interval_text, percent
from composer.evaluate.sweep import AIQ, APGR, EQUAL, LENGTH_APGR, ZERO_AIQ

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType

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

FEW = 2
"""So many choices are all shown, made or not."""

SHARES = frozenset({"cpt_20", "cpt_50", "cpt_80", EQUAL})


def router_tables(router: Router, *, alone: bool) -> Iterator[RenderableType]:
    """Draw a route or a cascade beside its choices and its baselines, then its curve.

    Of more than two choices, those that are never made are left out where other tables show them,
    unless they stand `alone`.
    """
    cost = {"$": "mean cost", "calls": "strong calls"}.get(router.unit, "")
    quality = "score" if router.graded else "accuracy"
    made = "chosen" if router.kind == "route" else "answered"
    title = f"the {router.kind}, {counted(router.rows, 'row')}"
    drawn = Sheet(title, made, quality, "95%", cost)
    _stand(drawn, "as it decides", router.decided, router.unit, style="bold")
    best_or_chosen = {name for name, share in router.shares.items() if share} | {router.best}
    whole = alone or len(router.shares) <= FEW
    listed = [name for name in router.shares if whole or name in best_or_chosen]
    for name in listed:
        best = " (best)" if name == router.best else ""
        share = percent(router.shares[name])
        _stand(drawn, f"  {name}{best}", router.singles[name], router.unit, share)
    if len(listed) < len(router.shares):
        others = len(router.shares) - len(listed)
        drawn.add_row(f"  {counted(others, 'other')}", percent(0))
    for name, one in router.baselines.items():
        same = "" if name == ORACLE else ", same cost" if name == ZERO else ", same shares"
        _stand(drawn, f"  {name}{same}", one, router.unit, style="dim")
    yield drawn
    if router.stages:
        yield Text()
        yield _stages(router)
    if router.thresholds:
        yield Text()
        yield _thresholds(router, quality, cost)
    if router.figures:
        yield Text()
        yield _figures(router.figures)


def _stand(  # noqa: PLR0913 - the cells of a row, and how it looks
    drawn: Sheet, name: str, one: Standing, unit: str, share: str = "", style: str | None = None
) -> None:
    cost = _cost(one.cost, unit)
    accuracy = percent(one.accuracy.mean), interval_text(one.accuracy)
    drawn.add_row(name, share, *accuracy, cost, style=style)


def _cost(cost: float, unit: str) -> str:
    return {"$": cost_text(cost), "calls": percent(cost)}.get(unit, "")


def _stages(router: Router) -> Sheet:
    """Draw how often each stage was asked, and what it took in the mean of all rows."""
    dollars = ["cost a row"] * (router.unit == "$")
    latency = ["seconds a row"] * all(one.seconds is not None for one in router.stages)
    drawn = Sheet("stage", "asked", "answered", "calls a row", *dollars, *latency)
    for one in router.stages:
        cost = [_cost(one.cost, router.unit)] * len(dollars)
        asked, answered = percent(one.asked), percent(one.answered)
        seconds = [f"{one.seconds or 0.0:.3f}"] * len(latency)
        drawn.add_row(f"  {one.name}", asked, answered, f"{one.calls:.2f}", *cost, *seconds)
    return drawn


def _thresholds(router: Router, quality: str, cost: str) -> Sheet:
    drawn = Sheet(f"at other {router.moved}", "go on", quality, "95%", cost)
    for one in router.thresholds:
        accuracy = percent(one.accuracy.mean), interval_text(one.accuracy)
        style = None if one.shift else "bold"
        spent = _cost(one.cost, router.unit)
        drawn.add_row(f"  {one.label}", percent(one.passed), *accuracy, spent, style=style)
    return drawn


def _figures(figures: Mapping[str, Interval]) -> Sheet:
    drawn = Sheet("over the whole curve", "", "95%")
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

"""Several recipes on the same rows: their reports, and which differences are settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from composer.evaluate.measure import evaluate
from composer.evaluate.sweep import AIQ, APGR
from composer.metrics import difference_interval, drawn_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import RenderableType

    from composer.evaluate.decisions import Decided
    from composer.evaluate.judge import Compare
    from composer.evaluate.members import Known
    from composer.evaluate.report import Report
    from composer.evaluate.rows import Row
    from composer.metrics import Interval
    from composer.recipe import Recipe
    from composer.run import Result

__all__ = ["Comparison", "Difference", "compare", "decided_differences"]


@dataclass(frozen=True)
class Difference:
    """By how much one recipe exceeds another in some measure, over the rows judged for both."""

    recipe: str
    than: str
    rows: int
    interval: Interval
    measure: str = "accuracy"

    def as_dict(self) -> dict[str, Any]:
        """Give the plain values that `--json` prints."""
        return {
            "recipe": self.recipe,
            "than": self.than,
            "measure": self.measure,
            "rows": self.rows,
            "difference": self.interval.mean,
            "interval": [self.interval.low, self.interval.high],
            "settled": self.interval.settled,
        }


@dataclass(frozen=True)
class Comparison:
    """One report a recipe; each recipe after the first is set against the first."""

    reports: tuple[Report, ...]

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Paired differences in accuracy, and of routers on the same rows in APGR and AIQ."""
        first, *others = self.reports
        return tuple(one for other in others for one in _differences(other, first))

    def as_dict(self) -> dict[str, Any]:
        """Give what `eval --json` prints: a report, or the reports and their differences."""
        if len(self.reports) == 1:
            return self.reports[0].as_dict()
        return {
            "recipes": [report.as_dict() for report in self.reports],
            "differences": [one.as_dict() for one in self.differences],
        }

    def __rich__(self) -> RenderableType:
        from composer.evaluate.table import drawn

        return drawn(self)


def compare(
    recipes: Sequence[Recipe],
    rows: Sequence[Row],
    *,
    how: Compare = "auto",
    members: bool = True,
    seen: Callable[[Result], None] = lambda _: None,
) -> Comparison:
    """Evaluate recipes one after the other on the same rows; rich prints what comes back."""
    known: Known = {}
    reports = (
        evaluate(recipe, rows, how=how, members=members, seen=seen, known=known)
        for recipe in recipes
    )
    return Comparison(tuple(reports))


def _differences(report: Report, than: Report) -> Iterator[Difference]:
    shared = [name for name in report.qualities if name in than.qualities]
    if shared:
        ours, theirs = ([one.qualities[name] for name in shared] for one in (report, than))
        interval = difference_interval(ours, theirs)
        yield Difference(report.recipe, than.recipe, len(shared), interval)
    yield from _of_routers(report, than, (APGR, AIQ))


def decided_differences(several: Sequence[Decided]) -> Iterator[Difference]:
    """Compare what routes decided, each after the first with the first, drawn in pairs."""
    for one in several[1:]:
        yield from _of_routers(one, several[0], ("accuracy", APGR, AIQ))


def _of_routers(
    one: Report | Decided, than: Report | Decided, measures: Sequence[str]
) -> Iterator[Difference]:
    """Compare two routers over the same rows; over others they cannot be paired."""
    ours, theirs = one.router, than.router
    if ours is None or theirs is None or ours.ids != theirs.ids:
        return
    for measure in measures:
        if measure in ours.drawn and measure in theirs.drawn:
            drawn = drawn_interval(ours.drawn[measure] - theirs.drawn[measure])
            yield Difference(one.recipe, than.recipe, ours.rows, drawn, measure)

"""Several recipes on the same rows: their reports, and which differences are settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from composer.evaluate.measure import evaluate
from composer.metrics import difference_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import RenderableType

    from composer.evaluate.judge import Compare
    from composer.evaluate.members import Known
    from composer.evaluate.report import Report
    from composer.evaluate.rows import Row
    from composer.metrics import Interval
    from composer.recipe import Recipe
    from composer.run import Result

__all__ = ["Comparison", "Difference", "compare"]


@dataclass(frozen=True)
class Difference:
    """How much more accurate one recipe is than another, over the rows judged for both."""

    recipe: str
    than: str
    rows: int
    interval: Interval

    def as_dict(self) -> dict[str, Any]:
        """Give the plain values that `--json` prints."""
        return {
            "recipe": self.recipe,
            "than": self.than,
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
        """Paired differences in accuracy, where any rows are judged for both."""
        first, *others = self.reports
        found = (_difference(other, first) for other in others)
        return tuple(one for one in found if one is not None)

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


def _difference(report: Report, than: Report) -> Difference | None:
    shared = [name for name in report.qualities if name in than.qualities]
    if not shared:
        return None
    ours, theirs = ([one.qualities[name] for name in shared] for one in (report, than))
    return Difference(report.recipe, than.recipe, len(shared), difference_interval(ours, theirs))

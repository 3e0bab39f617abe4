"""Several recipes on the same rows: their reports, and which differences are settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group

from composer.evaluate.changes import changes_of, drawn_changes
from composer.evaluate.differences import differences
from composer.evaluate.grading import opened
from composer.evaluate.measure import evaluate
from composer.evaluate.table import drawn, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import RenderableType

    from composer.evaluate.changes import Changes
    from composer.evaluate.differences import Difference
    from composer.evaluate.grading import Grading
    from composer.evaluate.members import JudgedCache
    from composer.evaluate.report import Report
    from composer.evaluate.row_log import RowLog
    from composer.evaluate.rows import EvaluationRow
    from composer.recipe import Recipe
    from composer.run import Result
    from composer.values import JSON

__all__ = ["Comparison", "compare", "render"]


@dataclass(frozen=True)
class Comparison:
    """One report a recipe; each recipe after the first is set against the first."""

    reports: tuple[Report, ...]

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Paired differences in accuracy, and of routers on the same rows in APGR and AIQ."""
        first, *others = self.reports
        return tuple(one for other in others for one in differences(other, first))

    @property
    def changes(self) -> tuple[Changes, ...]:
        """The rows that each recipe has better and worse than the first one."""
        first, *others = self.reports
        return tuple(changes_of(other, first) for other in others)

    def as_dict(self) -> dict[str, JSON]:
        """Give what `eval --json` prints: a report, or the reports and their differences."""
        if len(self.reports) == 1:
            return self.reports[0].as_dict()
        return {
            "recipes": [report.as_dict() for report in self.reports],
            "differences": [one.as_dict() for one in self.differences],
            "changed": [one.as_dict() for one in self.changes],
        }

    def __rich__(self) -> RenderableType:
        changed = [text for one in self.changes for text in drawn_changes(one)]
        return Group(drawn(self.reports, self.differences), *changed)


def compare(  # noqa: PLR0913 - what is measured, and how
    recipes: Sequence[Recipe],
    rows: Sequence[EvaluationRow],
    *,
    how: Grading | str = "auto",
    members: bool = True,
    equal_calls: bool = False,
    on_result: Callable[[Result], None] = lambda _: None,
    log: RowLog | None = None,
) -> Comparison:
    """Evaluate recipes one after the other on the same rows; rich prints what comes back."""
    cache: JudgedCache = {}
    with opened(how) as grading:
        reports = [
            evaluate(
                recipe,
                rows,
                how=grading,
                members=members,
                on_result=on_result,
                cache=cache,
                equal_calls=equal_calls,
                log=log,
            )
            for recipe in recipes
        ]
    return Comparison(tuple(reports))


def render(comparison: Comparison, *, width: int | None = None, color: bool = False) -> str:
    """Write a comparison as text: see `shown`."""
    return shown(Group(comparison), width=width, color=color)

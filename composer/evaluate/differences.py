"""By how much one recipe is better than another on the same rows, and whether that is settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.evaluate.sweep import AIQ, APGR
from composer.metrics import difference_interval, drawn_interval

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.evaluate.decisions import Decided
    from composer.evaluate.report import Report
    from composer.metrics import Interval
    from composer.values import JSON

__all__ = ["Difference", "decided_differences", "differences"]


@dataclass(frozen=True)
class Difference:
    """By how much one recipe exceeds another in some measure, over the rows judged for both."""

    recipe: str
    than: str
    rows: int
    interval: Interval
    measure: str = "accuracy"

    def as_dict(self) -> dict[str, JSON]:
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


def differences(report: Report, than: Report) -> Iterator[Difference]:
    """Compare two reports in accuracy, and their routers over the same rows in APGR and AIQ."""
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
    """Compare two routes or cascades over the same rows; over others they cannot be paired."""
    ours, theirs = one.chooser, than.chooser
    if ours is None or theirs is None or ours.ids != theirs.ids:
        return
    for measure in measures:
        if measure in ours.drawn and measure in theirs.drawn:
            drawn = drawn_interval(ours.drawn[measure] - theirs.drawn[measure])
            yield Difference(one.recipe, than.recipe, ours.rows, drawn, measure)

"""One answer of a recipe with its grade, and what the answers of a recipe add up to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from composer.values import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from composer.methods import Grade
    from composer.run import Result

__all__ = [
    "GradedResult",
    "cached_calls",
    "estimated_cost",
    "failures",
    "is_refused",
    "spending",
    "ungraded",
]

OVER_BUDGET = "[E709]"
"""How the error of a query begins whose call no longer fitted into the budget."""


@dataclass(frozen=True, slots=True)
class GradedResult:
    """What a recipe answered to a row, and the grade of that.

    `expected` is the mean score over the answers that led the last vote together, None where one
    led alone.
    """

    result: Result
    grade: Grade
    expected: float | None = None


def failures(results: Iterable[Result]) -> tuple[list[str], list[str]]:
    """Say of each row that failed, and of each that a budget kept from being asked, why."""
    failed: list[str] = []
    refused: list[str] = []
    for result in results:
        if result.error is not None:
            (refused if is_refused(result) else failed).append(f"{result.id}: {result.error}")
    return failed, refused


def is_refused(result: Result) -> bool:
    """Say whether a row was not answered because the budget was spent."""
    return result.error is not None and result.error.startswith(OVER_BUDGET)


def ungraded(graded: Iterable[GradedResult]) -> list[str]:
    """Say of each answer without a score why it has none."""
    return [
        f"{one.result.id}: {one.grade.reason}"
        for one in graded
        if one.grade.score is None and one.result.error is None
    ]


def spending(results: Sequence[Result]) -> tuple[dict[str, int], Usage]:
    """Return how often each model was asked, and what that took together."""
    calls: Counter[str] = Counter()
    total = Usage()
    for result in results:
        for name, usage in result.members.items():
            calls[name] += usage.calls
            total += usage
    return dict(calls), total


def cached_calls(results: Iterable[Result]) -> int:
    """Count the calls that the cache answered, which cost nothing now."""
    traces = (result.trace for result in results if result.trace is not None)
    return sum(call.cached for trace in traces for event in trace.events for call in event.asked)


def estimated_cost(results: Sequence[Result]) -> float | None:
    """Add up dollars; results of unknown cost count with the mean of the others."""
    dollars = [result.cost for result in results if not result.unpriced]
    if len(dollars) == len(results):
        return sum(dollars)
    return len(results) * fmean(dollars) if dollars else None

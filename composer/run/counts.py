"""Two counts over a run, each with one warning at its end: unusual queries, failed branches."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from composer.run.result import FailedBranch, Result


USUAL = 0.05
"""The share of the training rows that count as unusual by the same measure."""


@dataclass(eq=False)
class OutOfDistributionCount:
    """Counts the queries that a route decided on, and those unlike its training data (foreign)."""

    asked: int = 0
    foreign: int = 0

    def counting(self, results: Iterable[Result]) -> Iterator[Result]:
        """Yield results as they come, counting."""
        for result in results:
            self.add(result)
            yield result

    def add(self, result: Result) -> None:
        """Count a result by what its routes noted."""
        events = result.trace.events if result.trace is not None else ()
        distances = [event.notes["foreign"] for event in events if "foreign" in event.notes]
        self.asked += bool(distances)
        self.foreign += bool(distances) and max(distances) >= 1 - USUAL

    def warning(self) -> Diagnostic | None:
        """Return a warning (W701) if many more queries than usual are unlike the training data.

        Many: more than twice the usual share, and more than two standard deviations above it.
        """
        if not self.asked:
            return None
        share = self.foreign / self.asked
        chance = USUAL + 2 * math.sqrt(USUAL * (1 - USUAL) / self.asked)
        if share <= max(2 * USUAL, chance):
            return None
        subject = (
            f"{self.foreign} of {self.asked} queries are" if self.asked > 1 else "the query is"
        )
        text = (
            f"{subject} unlike the data that the route was fitted on "
            f"({share:.0%}; usual: {USUAL:.0%})"
        )
        help_ = "its estimates are shrunk there; fit on queries like these"
        return Diagnostic("W701", text, help=help_)


HELP = (
    "`--json` shows the branches for each answer; with `default bank(min = all)` such a query fails"
)


NAMED = 5
"""Branches that a warning names."""


@dataclass(eq=False)
class PartialAnswerCount:
    """Counts answers that were made without some branches, and how often each branch failed.

    A query that failed as a whole is not counted.
    """

    answers: int = 0
    partial: int = 0
    failed: dict[str, list[FailedBranch]] = field(default_factory=dict)

    def counting(self, results: Iterable[Result]) -> Iterator[Result]:
        """Yield results as they come, counting."""
        for result in results:
            self.add(result)
            yield result

    def add(self, result: Result) -> None:
        """Count a result."""
        if result.error is not None:
            return
        self.answers += 1
        self.partial += bool(result.failed)
        for failure in result.failed:
            self.failed.setdefault(failure.branch, []).append(failure)

    @property
    def counts(self) -> dict[str, int]:
        """How often each branch failed, the most frequent first."""
        counts = {name: len(failures) for name, failures in self.failed.items()}
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    def warning(self) -> Diagnostic | None:
        """Return the warning (W702) that answers were made without some branches."""
        if not self.partial:
            return None
        reasons = [self._reason(name, count) for name, count in self.counts.items()]
        rest = f"; and {len(reasons) - NAMED} more" if len(reasons) > NAMED else ""
        who = f"{self.partial} of {self.answers} answers were" if self.answers > 1 else "it was"
        text = f"{who} made without branches that failed: {'; '.join(reasons[:NAMED])}{rest}"
        return Diagnostic("W702", text, help=HELP)

    def _reason(self, name: str, count: int) -> str:
        times = f", {count} times, first" if count > 1 else ""
        return f"`{name}`{times}: {self.failed[name][0].error}"

"""Queries unlike what a route learnt from: counted over a run, and told once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from composer.run.result import Result

USUAL = 0.05
"""The share of the rows learnt from that lie at least as far from the others as a foreign query."""


@dataclass(eq=False)
class OutOfDistributionCount:
    """Counts queries that went through a route, and those that were foreign to it."""

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
        """Return the warning (W701) that far more queries are foreign than chance would have it.

        That is more than twice the usual share, and more than two standard deviations above it.
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

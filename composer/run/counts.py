"""Two counts over a run, each with one warning at its end: unusual queries, failed branches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.compiler.fits import refit_command
from composer.diagnostics import Diagnostic
from composer.metrics.martingale import FIRST, LEVEL, ExchangeabilityTest
from composer.values import TypicalityRank

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from composer.run.result import FailedBranch, Result
    from composer.values import JSON


@dataclass(frozen=True, slots=True)
class OutOfDistribution:
    """What a test of some queries against the held-out rows of a fit says.

    `unusual` of the `queries` are more unusual than 95 % of the held-out rows. `steps` are the
    routes whose queries as a whole are too unusual; without such a route there is no alarm.
    `command` fits the recipe again.
    """

    queries: int
    unusual: int
    steps: tuple[str, ...] = ()
    command: str = ""

    @property
    def sentence(self) -> str:
        """What the alarm means, with the numbers behind it."""
        steps = " and ".join(f"`{step}`" for step in self.steps)
        if self.queries == 1:
            usual = 1 - FIRST
            return (
                f"the query is unlike the data that the route {steps} was fitted on: it is more "
                f"unusual than {usual:.1%} of the held-out rows"
            )
        return (
            f"the {self.queries:,} queries, taken together, are unlike the data that the route "
            f"{steps} was fitted on: {self.unusual:,} of them are more unusual than "
            f"{1 - LEVEL:.0%} of the held-out rows; {LEVEL:.0%} are expected "
            f"(chance of a false alarm: at most {LEVEL:.0%})"
        )

    @property
    def advice(self) -> str:
        """What to do about an alarm."""
        return (
            "estimates are less certain there. Record outcomes for queries like these "
            f"(`recorded`), add these rows to the data, and fit again: `{self.command}`"
        )

    def as_dict(self) -> dict[str, JSON]:
        """Give the plain values that `--json` prints."""
        return {"queries": self.queries, "unusual": self.unusual, "steps": list(self.steps)}


@dataclass(eq=False)
class OutOfDistributionCount:
    """Counts the queries that routes decided on, and tests them against the data of the fit."""

    queries: int = 0
    unusual: int = 0
    tests: dict[str, ExchangeabilityTest] = field(default_factory=dict)

    def counting(self, results: Iterable[Result]) -> Iterator[Result]:
        """Yield results as they come, counting."""
        for result in results:
            self.add(result)
            yield result

    def add(self, result: Result) -> None:
        """Count a result by what its routes noted."""
        events = result.trace.events if result.trace is not None else ()
        notes = [(e.id, e.notes["typicality"]) for e in events if "typicality" in e.notes]
        self.count({step: TypicalityRank.of(**note) for step, note in notes})

    def count(self, ranks: Mapping[str, TypicalityRank]) -> None:
        """Count a query by its rank at each route that decided on it."""
        for step, typicality in ranks.items():
            test = self.tests.setdefault(step, ExchangeabilityTest())
            test.add(typicality.rank, typicality.rows)
        if ranks:
            self.queries += 1
            self.unusual += min(each.p_value for each in ranks.values()) <= LEVEL / len(ranks)

    def summary(self, recipe: Path | None) -> OutOfDistribution | None:
        """Return the state of the test, None where no route can tell; the fit lies by `recipe`."""
        if not self.queries or recipe is None:
            return None
        enough = len(self.tests) / LEVEL
        steps = tuple(step for step, test in self.tests.items() if test.peak >= enough)
        command = refit_command(recipe) if steps else ""
        return OutOfDistribution(self.queries, self.unusual, steps, command)

    def warning(self, recipe: Path | None) -> Diagnostic | None:
        """Return a warning (W701) if the queries, taken together, are unlike the fitted data."""
        summary = self.summary(recipe)
        if summary is None or not summary.steps:
            return None
        return Diagnostic("W701", summary.sentence, help=summary.advice)


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

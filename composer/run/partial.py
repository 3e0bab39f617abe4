"""Answers that were made without some of their branches: counted over a run, and told once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from composer.run.result import FailedBranch, Result

HELP = (
    "`--json` shows the branches for each answer; with `default bank(min = all)` such a query fails"
)

NAMED = 5
"""Branches that a warning names."""


@dataclass(eq=False)
class PartialAnswerCount:
    """Counts the answers that branches failed to join: each with how often, and why at first.

    An answer that failed as a whole says so itself, and is not counted.
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

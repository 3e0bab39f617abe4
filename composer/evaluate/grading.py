"""How the answers of an evaluation are graded: by one grader, or by that of each row."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Self, TypeVar

from composer.data import quality_of
from composer.diagnostics import Diagnostic, Mistakes
from composer.evaluate.judges import Judges, side_by_side
from composer.evaluate.recipes import declarations
from composer.evaluate.rows import read_grader
from composer.methods import Grade, Submission
from composer.recipe import Recipe
from composer.run import Failure
from composer.specs.content import json_digest
from composer.specs.digest import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from composer.evaluate.rows import EvaluationRow
    from composer.methods import Grader
    from composer.run import Ensemble
    from composer.values import Usage

T = TypeVar("T")
S = TypeVar("S")

__all__ = ["Grading", "demand_gradable", "opened"]


class Grading:
    """Grades answers by a grader, or by the row's own where it has one. Close it, or use `with`.

    With `regrade`, recorded answers are graded even where the data have a judgement. Judges are
    opened when they are first asked. `ready` opens them, and whatever else an evaluation asks.
    """

    def __init__(
        self,
        how: str | Grader = "auto",
        *,
        regrade: bool = False,
        ready: Callable[[Recipe], Ensemble] = Recipe.ready,
    ) -> None:
        self.grader = read_grader(how) if isinstance(how, str) else how
        self.regrade, self.ready = regrade, ready
        self._judges = Judges(ready)
        for recipe in self.grader.judges:
            self._judges.recipe(recipe)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._judges.close(error)

    @property
    def usage(self) -> Usage:
        """What the judges took so far."""
        return self._judges.usage

    @property
    def identity(self) -> str:
        """A hash of all that the grades depend on, except the rows: judges count by content."""
        return self._identity(self.grader)

    def grader_of(self, row: EvaluationRow) -> Grader:
        """Return the grader of a row: its own, else that of all rows."""
        return row.grader or self.grader

    def identity_of(self, row: EvaluationRow) -> str:
        """A hash of all that the grade of an answer to a row depends on."""
        return json_digest([self._identity(self.grader_of(row)), row.references, self.regrade])

    def grade(self, row: EvaluationRow, answer: str) -> Grade:
        """Grade an answer to a row by its grader."""
        grader = self.grader_of(row)
        submission = Submission(answer, row.references, row.shown_query, row.fields)
        try:
            grade = grader.grade(submission, self._judges)
        except Exception as error:  # noqa: BLE001 - a plugin's grader may raise anything
            grade = Grade(None, reason=str(Failure.of(error)))
        if grade.score is not None and not 0 <= grade.score <= 1:
            reason = f"the grader gave {grade.score}, which is not between 0 and 1"
            grade = replace(grade, score=None, reason=reason)
        return replace(grade, grader=grader.name)

    def check(self, rows: Iterable[EvaluationRow]) -> None:
        """Read the recipes that judge some rows; raises Mistakes."""
        for recipe in {recipe for row in rows for recipe in self.grader_of(row).judges}:
            self._judges.recipe(recipe)

    def each(self, work: Callable[[T], S], items: Iterable[T]) -> Iterator[S]:
        """Yield what work returns for each item, in order; several at once where judges answer."""
        return side_by_side(work, items, threads=bool(self.grader.judges))

    def _identity(self, grader: Grader) -> str:
        judges = [self._judges.recipe(recipe).fingerprint for recipe in grader.judges]
        return json_digest([canonical(grader), judges])


@contextmanager
def opened(how: Grading | str) -> Iterator[Grading]:
    """Give a grading that is open already as it is, and open another for as long as it is used."""
    if isinstance(how, Grading):
        yield how
        return
    with Grading(how) as grading:
        yield grading


def demand_gradable(
    data: Path, rows: Sequence[EvaluationRow], how: Grading, recipes: Iterable[Recipe]
) -> None:
    """Raise Mistakes (E504) where no answer to a row could be graded, before any is asked.

    Recorded models may bring judgements from files of their own.
    """
    how.check(rows)
    models = (model for recipe in recipes for model in declarations(recipe).values())
    if any(model.replays for model in models) or any(
        row.references
        or not how.grader_of(row).compares
        or any(quality_of(outcome) is not None for outcome in row.recorded.values())
        for row in rows
    ):
        return
    message = (
        f"no answer can be graded: no row of `{data}` that is used has a `reference` or a recorded "
        f"judgement, and the grader `{how.grader.name}` needs one"
    )
    help_ = (
        'add "reference" to the rows, or give `--how` a grader that needs none, such as '
        '`regex("...")`; `compose run --input` answers without grading'
    )
    raise Mistakes([Diagnostic("E504", message, help=help_)])

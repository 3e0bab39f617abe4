"""What a recipe reaches in expectation where votes were tied, whoever the seed let win."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from composer.evaluate.members import grade_of
from composer.metrics import mean_interval
from composer.run.answering import answer_text
from composer.steps.branching import TIED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.backends import Declaration
    from composer.evaluate.graded import GradedResult
    from composer.evaluate.grading import Grading
    from composer.evaluate.rows import EvaluationRow
    from composer.metrics import Interval
    from composer.values import JSON

__all__ = ["Ties", "expected_grade", "ties_of"]


@dataclass(frozen=True, slots=True)
class Ties:
    """How many rows were tied, and the accuracy in expectation over who wins each tie."""

    rows: int
    accuracy: Interval

    def as_dict(self) -> dict[str, JSON]:
        """Return the plain values of `--json`."""
        one = self.accuracy
        return {"rows": self.rows, "accuracy": one.mean, "interval": [one.low, one.high]}


def expected_grade(
    models: Mapping[str, Declaration], row: EvaluationRow, one: GradedResult, how: Grading
) -> float | None:
    """Return the mean grade of the answers that led the vote together; None where one led alone."""
    winner = one.result.text
    tied = () if winner is None else winner.facts.get(TIED, ())
    if winner is None or not tied:
        return None
    scores = []
    for text in tied:
        same = (text.source, text.text) == (winner.source, winner.text)
        result = replace(one.result, text=text, answer=answer_text(text))
        scores.append(one.grade.score if same else grade_of(models, row, result, how).score)
    known = [score for score in scores if score is not None]
    return fmean(known) if len(known) == len(scores) else None


def ties_of(judged: Mapping[str, float], expected: Mapping[str, float]) -> Ties | None:
    """Sum up the judged rows, of which some were tied; None where none was."""
    tied = {name: score for name, score in expected.items() if name in judged}
    if not tied:
        return None
    return Ties(len(tied), mean_interval(list({**judged, **tied}.values())))

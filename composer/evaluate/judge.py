"""The grade of an answer: what was recorded of it says so, or else a grader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.data import quality_of, stand_in
from composer.methods import Grade
from composer.metrics import exact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from composer.evaluate.grading import Grading
    from composer.evaluate.rows import EvaluationRow
    from composer.values import JSON

__all__ = ["RECORDED", "judge", "judgement", "same_answer"]

RECORDED = "recorded"
"""The name of what graded an answer that was judged when it was recorded."""


def judge(
    row: EvaluationRow,
    answer: str | None,
    writers: Iterable[str],
    how: Grading,
    *,
    replayed: bool = True,
) -> Grade:
    """Grade an answer; the score is None where nothing tells how good it is.

    `writers` are the names, in the data, of the models that may have written it. A recorded
    judgement counts for the very text that it was made of; then the grader decides; where it
    cannot, the judgement of a single writer, if `replayed`, counts for what was read out of its
    text.
    """
    if answer is None:
        return Grade(0.0, reason="there is no answer")
    written = [row.recorded[name] for name in dict.fromkeys(writers) if name in row.recorded]
    same = [outcome for outcome in written if same_answer(outcome, answer, row)]
    counting = [outcome for outcome in same if not how.regrade or outcome.get("text") is None]
    grade = next((each for each in map(_recorded, counting) if each.score is not None), None)
    if grade is not None:
        return grade
    grade = how.grade(row, answer)
    if grade.score is None and not row.references and replayed and len(written) == 1:
        recorded = _recorded(written[0])
        return grade if recorded.score is None or how.regrade else recorded
    return grade


def judgement(row: EvaluationRow, names: Iterable[str], how: Grading) -> Grade | None:
    """Grade a model's own recorded answer; None where none is recorded, or none can be graded."""
    outcome = next((row.recorded[name] for name in names if name in row.recorded), None)
    if outcome is None:
        return None
    text, grade = outcome.get("text"), _recorded(outcome)
    if text is not None and (how.regrade or grade.score is None):
        grade = how.grade(row, str(text))
    return grade if grade.score is not None else None


def _recorded(outcome: Mapping[str, JSON]) -> Grade:
    return Grade(quality_of(outcome), grader=RECORDED)


def same_answer(outcome: Mapping[str, JSON], answer: str, row: EvaluationRow) -> bool:
    """Say whether an answer is the recorded one, or what stands for one without words."""
    text = outcome.get("text")
    if text is not None:
        return exact(str(text), answer)
    stands = {stand_in(outcome), *(stand_in(outcome, one) for one in row.references)}
    return any(exact(one, answer) for one in stands)

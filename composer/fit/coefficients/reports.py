"""What a search is reported with: what was found, and how good it is on rows left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.diagnostics.amounts import counted
from composer.fit.settings import TrainingResult
from composer.fit.validation import triple
from composer.heavy import np
from composer.metrics import difference_interval, mean_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.evaluate import EvaluationRow
    from composer.fit.coefficients.history import History
    from composer.fit.coefficients.measuring import Measuring
    from composer.fit.coefficients.subject import Subject
    from composer.fit.settings import FitSettings
    from composer.methods.fitted import FittedPart
    from composer.specs import Derived
    from composer.values import State

__all__ = ["begins", "held_out", "result_of"]


def result_of(  # noqa: PLR0913 - what was found, and on what
    subject: Subject,
    state: State,
    scores: Sequence[float],
    rows: Sequence[EvaluationRow],
    held: Sequence[EvaluationRow],
    settings: FitSettings,
) -> TrainingResult:
    """Measure what was found beside the recipe's own coefficients, on the rows left out."""
    report: dict[str, object] = {
        "history": [round(score, 6) for score in scores],
        "coefficients": np.round(state.arrays["coefficients"], 4).tolist(),
        "members": list(subject.model.labels),
    }
    if "options" in state.arrays:
        values = np.round(state.arrays["options"], 4).tolist()
        report["options"] = dict(zip(subject.part.edit_options, values, strict=True))
    report |= held_out(subject, subject.at(state), held, settings.seed)
    return TrainingResult(subject.model.labels, len(rows), {"state": state}, report)


def held_out(
    measuring: Measuring, found: Derived, rows: Sequence[EvaluationRow], seed: int
) -> dict[str, dict[str, list[float]]]:
    """Measure what was found beside the recipe's own model on rows; nothing without references."""
    rows = [row for row in rows if row.references]
    if not rows:
        return {}
    ours, given = (
        measuring.measured(model, rows).quality.tolist() for model in (found, measuring.given)
    )
    figures = {
        "searched": triple(mean_interval(ours, seed=seed)),
        "given": triple(mean_interval(given, seed=seed)),
        "over_given": triple(difference_interval(ours, given, seed=seed)),
    }
    return {"held_out": figures}


def begins(part: FittedPart, rows: Sequence[EvaluationRow], history: History) -> str:
    """Say that a search begins, or that it goes on with scores that are there."""
    known = len(history.entries)
    text = f"`{part.name}` tries merges on {counted(len(rows), 'question')}"
    return (
        f"{text}; {counted(known, 'score')} of an earlier fit taken from the cache"
        if known
        else text
    )

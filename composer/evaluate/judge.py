"""Is an answer right? What was recorded says so, or else the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from composer.data import quality_of, stand_in
from composer.metrics import contains, exact, number, numeric

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from composer.evaluate.rows import EvaluationRow
    from composer.values import JSON

__all__ = ["Compare", "judge", "judgement", "matches", "same_answer"]

Compare = Literal["auto", "exact", "numeric", "contains"]
"""How an answer is held against a reference: `auto` is numeric for numbers, else exact."""


def matches(answer: str, reference: str, how: Compare = "auto") -> bool:
    """Say whether an answer agrees with a reference."""
    if how == "contains":
        return contains(answer, reference)
    if how == "numeric" or (how == "auto" and number(reference) is not None):
        return numeric(answer, reference)
    return exact(answer, reference)


def judge(
    row: EvaluationRow,
    answer: str | None,
    writers: Iterable[str] = (),
    how: Compare = "auto",
    *,
    replayed: bool = True,
) -> float | None:
    """Give the quality of an answer from 0 to 1, or None where nothing tells it.

    `writers` are the names, in the data, of the models that may have written it. A recorded
    judgement counts for the very text that it was made of; then the reference decides; without
    one, the judgement of a single writer, if `replayed`, counts for what was read out of its text.
    """
    if answer is None:
        return 0.0
    written = [row.recorded[name] for name in dict.fromkeys(writers) if name in row.recorded]
    same = [quality_of(outcome) for outcome in written if same_answer(outcome, answer, row)]
    qualities = [quality for quality in same if quality is not None]
    if qualities:
        return qualities[0]
    if row.references:
        return float(any(matches(answer, one, how) for one in row.references))
    return quality_of(written[0]) if replayed and len(written) == 1 else None


def judgement(row: EvaluationRow, names: Iterable[str], how: Compare = "auto") -> float | None:
    """Give the quality of a model's own recorded answer, None where none is known."""
    for name in names:
        outcome = row.recorded.get(name)
        if outcome is not None:
            quality = quality_of(outcome)
            if quality is None and outcome.get("text") is not None:
                return judge(row, str(outcome["text"]), (), how)
            return quality
    return None


def same_answer(outcome: Mapping[str, JSON], answer: str, row: EvaluationRow) -> bool:
    """Say whether an answer is the recorded one, or what stands for one without words."""
    text = outcome.get("text")
    if text is not None:
        return exact(str(text), answer)
    stands = {stand_in(outcome), *(stand_in(outcome, one) for one in row.references)}
    return any(exact(one, answer) for one in stands)

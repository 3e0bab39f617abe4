"""What a route decides for the same questions in other words, where a benchmark has these."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.evaluate.outcomes import RoutedBank
    from composer.evaluate.rows import EvaluationRow
    from composer.run import Ensemble

__all__ = ["robustness_choices"]

PROMPT = "robustness_prompt"
UNDECIDED = "E712"
"""The code where a route reads answers, so that it cannot decide before there are any."""


def robustness_choices(
    ensemble: Ensemble, bank: RoutedBank | None, rows: Sequence[EvaluationRow]
) -> dict[str, str]:
    """Return the choice for each question in other words, by row; none for a route of answers."""
    from composer.run import Failure

    reworded = [row for row in rows if PROMPT in row.facts]
    if bank is None or not reworded:
        return {}
    queries = [replace(row, query=row.facts[PROMPT]).question() for row in reworded]
    try:
        decisions = ensemble.decide(queries, bank.route)
    except Failure as failure:
        if failure.code == UNDECIDED:
            return {}
        raise
    return {row.id: one.chosen[0] for row, one in zip(reworded, decisions, strict=True)}

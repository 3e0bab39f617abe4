"""The trainer of learned votes and scores: fitted on all rows, measured on held-out ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from composer.fit.answers import answers_of
from composer.fit.settings import TrainingResult, not_trainable
from composer.heavy import np
from composer.methods import Agreement, Exact
from composer.methods.agreement import Comparison
from composer.methods.estimators.folds import shuffled
from composer.values import Fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.compiler.graph import Node
    from composer.fit.settings import FitSettings
    from composer.methods.answer_table import AnswerRow, AnswerTable
    from composer.methods.estimators.values import Floats
    from composer.methods.selecting import LearnedSelector

_CLOSE = 1e-12


def train_selector(part: LearnedSelector, node: Node, settings: FitSettings) -> TrainingResult:
    """Fit a vote or a score on the candidates of its step, and say how well it does."""
    table = answers_of(node, settings, labelled=part.labelled)
    if len(table.rows) < settings.folds:
        text = f"{len(table.rows)} rows are too few for {settings.folds} folds"
        raise not_trainable(text, "give more rows")
    compared = comparisons(table, part.compares or _agreement(node))
    state = part.fit(table, compared, settings.seed)
    report = {"rows": len(table.rows), **held_out(part, table, compared, settings)}
    return TrainingResult(table.names, len(table.rows), {"state": state}, report)


def comparisons(table: AnswerTable, by: Agreement) -> tuple[Comparison, ...]:
    """Return the comparison of each row's candidates."""
    answers = ([text.answer for text in row.candidates.texts] for row in table.rows)
    return tuple(Comparison(by, each) for each in answers)


def held_out(
    part: LearnedSelector,
    table: AnswerTable,
    compared: Sequence[Comparison],
    settings: FitSettings,
) -> dict[str, object]:
    """Return the mean quality of what a part chooses on rows that it was not fitted on.

    Beside it stands the quality of the member that the other rows choose. Ties count with the mean
    of those that lead. Nothing is measured without labels.
    """
    if not np.isfinite(table.quality).any():
        return {}
    queries = [row.candidates.query.text for row in table.rows]
    chosen, single = [], []
    for known_rows, held_out_rows in shuffled(queries, settings.folds, settings.seed):
        known = table.taken(known_rows.tolist())
        state = part.fit(known, tuple(compared[at] for at in known_rows), settings.seed)
        fitted = part.bound(Fitted.of(table.names, len(known_rows), state=state))
        best = table.names[int(np.nanargmax(_means(known.quality)))]
        for at in held_out_rows.tolist():
            row = table.rows[at]
            chosen.append(quality_of_choice(row, fitted.values(row.candidates, compared[at])))
            single.append(quality_of_choice(row, [float(n == best) for n in row.candidates.names]))
    return {
        "held_out": {"chosen": float(np.mean(chosen)), "best_member": float(np.mean(single))},
    }


def quality_of_choice(row: AnswerRow, values: Sequence[float]) -> float:
    """Return the mean quality of the candidates with the greatest value; unknown counts as 0."""
    best = max(values)
    if best == -math.inf:
        return 0.0
    leading = [
        quality or 0.0
        for quality, value in zip(row.quality, values, strict=True)
        if value >= best - _CLOSE
    ]
    return sum(leading) / len(leading)


def _means(quality: Floats) -> Floats:
    """Return the mean quality of each member, NaN for one without any label."""
    counts = np.isfinite(quality).sum(0)
    means: Floats = np.nansum(quality, 0) / np.where(counts, counts, np.nan)
    return means


def _agreement(node: Node) -> Agreement:
    by = node.values().get("by")
    return by if isinstance(by, Agreement) else Exact()

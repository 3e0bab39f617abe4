"""The trainer of learned votes and scores: fitted on all rows, measured on held-out ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from composer.fit.answers import answers_of
from composer.fit.settings import TrainingResult, not_trainable
from composer.fit.validation import triple
from composer.heavy import np
from composer.methods import Agreement, Exact
from composer.methods.estimators.folds import shuffled
from composer.methods.selecting import comparisons
from composer.metrics import difference_interval, mean_interval
from composer.values import Fitted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.compiler.graph import Node
    from composer.fit.settings import FitSettings
    from composer.methods.agreement import Comparison
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


def held_out(
    part: LearnedSelector,
    table: AnswerTable,
    compared: Sequence[Comparison],
    settings: FitSettings,
) -> dict[str, object]:
    """Return the mean quality of what a part chooses on rows that it was not fitted on.

    Beside it stand the quality of the member that the other rows choose, that of a plain vote, and
    the paired gains over both, each with its 95% interval. Ties count with the mean of those that
    lead. Nothing is measured without labels.
    """
    if not np.isfinite(table.quality).any():
        return {}
    queries = [row.candidates.query.text for row in table.rows]
    chosen, single, plain = [], [], []
    for known_rows, held_out_rows in shuffled(queries, settings.folds, settings.seed):
        known = table.taken(known_rows.tolist())
        state = part.fit(known, tuple(compared[at] for at in known_rows), settings.seed)
        fitted = part.bound(Fitted.of(table.names, len(known_rows), state=state))
        best = table.names[int(np.nanargmax(_means(known.quality)))]
        for at in held_out_rows.tolist():
            row = table.rows[at]
            chosen.append(quality_of_choice(row, fitted.values(row.candidates, compared[at])))
            picked = [0.0 if name == best else -math.inf for name in row.candidates.names]
            single.append(quality_of_choice(row, picked))
            plain.append(quality_of_choice(row, plurality(row, compared[at])))
    seed = settings.seed
    return {
        "held_out": {
            "chosen": triple(mean_interval(chosen, seed=seed)),
            "best_member": triple(mean_interval(single, seed=seed)),
            "plurality": triple(mean_interval(plain, seed=seed)),
            "over_best_member": triple(difference_interval(chosen, single, seed=seed)),
            "over_plurality": triple(difference_interval(chosen, plain, seed=seed)),
        },
    }


def plurality(row: AnswerRow, comparison: Comparison) -> list[float]:
    """Return the votes for each candidate's answer, minus infinity for those that abstain."""
    votes = [-math.inf] * len(row.candidates.texts)
    for group in comparison.groups:
        for at in group:
            votes[at] = float(len(group))
    return votes


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

"""How good a vote or a score is on rows that it was not fitted on, beside the plain baselines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from composer.methods.estimators.folds import shuffled
from composer.methods.reductions.base import Count, Reduction
from composer.methods.selecting import LearnedSelector
from composer.values import Fitted

if TYPE_CHECKING:
    from composer.methods.agreements.base import Comparison
    from composer.methods.answer_table import AnswerTable

Selector: TypeAlias = Reduction | LearnedSelector
"""What gives each candidate a value, the greatest of which is chosen."""


@dataclass
class HeldOut:
    """The quality of each row's choice, of the member chosen on the other rows, of a plain vote.

    Where several answers lead, the quality is their mean.
    """

    chosen: list[float] = field(default_factory=list)
    best_member: list[float] = field(default_factory=list)
    plurality: list[float] = field(default_factory=list)


def fitted_on(
    part: Selector, table: AnswerTable, comparisons: tuple[Comparison, ...], seed: int
) -> Selector:
    """Return a part fitted on a table; itself if it does not learn, or names a file."""
    if not isinstance(part, LearnedSelector) or not part.open:
        return part
    state = part.fit(table, comparisons, seed)
    return part.bound(Fitted.of(table.names, len(table.rows), state=state))


def held_out_choices(
    part: Selector,
    table: AnswerTable,
    comparisons: tuple[Comparison, ...],
    folds: int,
    seed: int,
) -> HeldOut:
    """Fit a part on all folds but one and let it choose in that one, for each fold."""
    queries = [row.candidates.query.text for row in table.rows]
    held_out, plain = HeldOut(), Count()
    for training_rows, rows in shuffled(queries, folds, seed):
        training = table.taken(training_rows.tolist())
        training_comparisons = tuple(comparisons[at] for at in training_rows)
        fitted = fitted_on(part, training, training_comparisons, seed)
        for at in rows.tolist():
            row, comparison = table.rows[at], comparisons[at]
            values = fitted.values(row.candidates, comparison)
            plain_values = plain.values(row.candidates, comparison)
            held_out.chosen.append(row.quality_of_choice(values))
            held_out.best_member.append(row.quality_of_member(training.best_member))
            held_out.plurality.append(row.quality_of_choice(plain_values))
    return held_out

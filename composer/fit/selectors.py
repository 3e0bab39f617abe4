"""The trainer of learned votes and scores: fitted on all rows, measured on held-out ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.fits.learners import names_of
from composer.diagnostics.amounts import counted
from composer.fit.answers import answers_of
from composer.fit.settings import TrainingResult, not_trainable
from composer.fit.validation import triple
from composer.heavy import np
from composer.methods import Agreement, Exact
from composer.methods.reductions.held_out import held_out_choices
from composer.methods.selecting import comparisons
from composer.metrics import difference_interval, mean_interval

if TYPE_CHECKING:
    from composer.compiler.graph import Node
    from composer.fit.settings import FitSettings
    from composer.methods.agreements.base import Comparison
    from composer.methods.answer_table import AnswerTable
    from composer.methods.selecting import LearnedSelector


def train_selector(part: LearnedSelector, node: Node, settings: FitSettings) -> TrainingResult:
    """Fit a vote or a score on the candidates of its step, and say how well it does."""
    table = answers_of(node, settings, labelled=part.labelled)
    if len(table.rows) < settings.folds:
        are = "is" if len(table.rows) == 1 else "are"
        text = f"{counted(len(table.rows), 'row')} {are} too few for {settings.folds} folds"
        raise not_trainable(text, "give more rows")
    row_comparisons = comparisons(table, part.compares or _agreement(node))
    state = part.fit(table, row_comparisons, settings.seed)
    report = {"rows": len(table.rows), **_held_out(part, table, row_comparisons, settings)}
    notes = tuple(part.notes(state))
    return TrainingResult(names_of(node), len(table.rows), {"state": state}, report, notes=notes)


def _held_out(
    part: LearnedSelector,
    table: AnswerTable,
    row_comparisons: tuple[Comparison, ...],
    settings: FitSettings,
) -> dict[str, object]:
    """Return what is measured on rows that a part was not fitted on, each with its 95% interval.

    Nothing is measured where some row has no label.
    """
    if not np.isfinite(table.quality).any(1).all():
        return {}
    seed = settings.seed
    held_out = held_out_choices(part, table, row_comparisons, settings.folds, seed)
    chosen, single, plain = held_out.chosen, held_out.best_member, held_out.plurality
    return {
        "held_out": {
            "chosen": triple(mean_interval(chosen, seed=seed)),
            "best_member": triple(mean_interval(single, seed=seed)),
            "plurality": triple(mean_interval(plain, seed=seed)),
            "over_best_member": triple(difference_interval(chosen, single, seed=seed)),
            "over_plurality": triple(difference_interval(chosen, plain, seed=seed)),
        },
    }


def _agreement(node: Node) -> Agreement:
    by = node.values().get("by")
    return by if isinstance(by, Agreement) else Exact()

"""The guard of an estimator: the test of unusual queries, and the shrinkage of their estimates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from composer.fit.shrinkage import FEW_TAGS, HeldOut, fit_shrinkage
from composer.fit.typicality import Closeness, alarms
from composer.fit.validation import validate
from composer.methods.estimators.folds import kinds_of
from composer.methods.estimators.typicality import held_out_state, ranks
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.estimators.folds import Split
    from composer.methods.estimators.values import Floats, Labels, Predictions


class Guard(NamedTuple):
    """The state of a guard, the shrunk predictions of left-out rows, and a report of both."""

    state: State
    predictions: Predictions
    report: dict[str, Any]


class LeftOut(NamedTuple):
    """An estimator's predictions of rows, each by one that did not see the row's fold."""

    predictions: Predictions
    splits: Sequence[Split]


def fit_guard(labels: Labels, inside: LeftOut, outside: LeftOut | None, seed: int) -> Guard:
    """Fit a guard by predictions of rows left out at random, and of whole tags left out."""
    closeness = Closeness.of(labels)
    measures = closeness.held_out(inside.splits)
    held_out = held_out_state(measures)

    def view(left_out: LeftOut, some: Floats) -> HeldOut:
        p_values = (ranks(held_out, some) + 1) / (len(measures) + 1)
        return HeldOut(left_out.predictions, p_values, left_out.splits)

    near, far, others = view(inside, measures), None, None
    if outside is not None:
        others = closeness.held_out(outside.splits)
        if len(set(kinds_of(labels.tags))) >= FEW_TAGS:
            far = view(outside, others)
    shrinkage = fit_shrinkage(labels, near, far, seed)
    shrunk = shrinkage.shrink(inside.predictions, shrinkage.inside)
    report = {
        "typicality": alarms(measures, others, seed),
        "shuffled_shrunk": validate(labels, shrunk, seed),
    }
    if outside is not None:
        foreign = shrinkage.shrink(outside.predictions, shrinkage.outside)
        report["foreign_shrunk"] = validate(labels, foreign, seed)
    state = State.join(rows=closeness.state(), held_out=held_out, **shrinkage.states())
    return Guard(state, shrunk, report)

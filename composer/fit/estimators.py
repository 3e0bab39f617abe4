"""The trainer of estimators: labels, cross-validation, calibration, and the state of all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.fits import choices_of
from composer.compiler.plan.option_text import declared_text
from composer.diagnostics.amounts import counted
from composer.fit.calibrate import Cascade, Decisions, Route, calibrated_to
from composer.fit.cascade_gains import Baselines
from composer.fit.cascades import table_of
from composer.fit.costs import cost_notes, demand_route_costs, held_out_costs, priced_labels
from composer.fit.embeddings import encode_once
from composer.fit.gains import foreign_losses
from composer.fit.guard import LeftOut, fit_guard
from composer.fit.outcomes import outcomes_of
from composer.fit.settings import TrainingResult, not_trainable
from composer.fit.typicality import alarm_note
from composer.fit.validation import facts, validate
from composer.heavy import np
from composer.methods.estimators.costs import cost_lines, known_means, with_costs
from composer.methods.estimators.folds import by_tag, out_of_fold, shuffled
from composer.methods.estimators.values import as_estimates
from composer.values import Port

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from composer.compiler.graph import Node
    from composer.fit.settings import FitSettings
    from composer.methods.estimators.base import Learned
    from composer.methods.estimators.values import Labels

_SHOWN = 3
LEAST_FOLDS = 2


def train_estimator(part: Learned, node: Node, settings: FitSettings) -> TrainingResult:
    """Teach an estimator of a route's choices, say how well it does, and calibrate the route."""
    table = table_of(node, settings) if node.op == "cascade" else None
    if table is None and node.port is not Port.DECISION:
        text = f"`{part.name}` can only be fitted inside of a `route` or a `cascade`"
        raise not_trainable(text, "write `route(by = ...) -> [a, b]`")
    labels = outcomes_of(node, settings) if table is None else table.labels
    notes = examined(labels, settings.folds)
    demand_route_costs(node, known_means(labels), settings)
    encode_once(part, labels.queries, settings)
    splits = shuffled(labels.queries, settings.folds, settings.seed)
    predictions = out_of_fold(part, labels, splits, settings.seed)
    tag_splits = by_tag(labels.tags, settings.folds)
    foreign = out_of_fold(part, labels, tag_splits, settings.seed) if tag_splits else None
    states = {"state": part.fit(labels, settings.seed), "costs": cost_lines(labels)}
    report = {
        **facts(labels),
        "costs": known_means(labels),
        "shuffled": validate(labels, predictions, settings.seed),
        **({"foreign": validate(labels, foreign, settings.seed)} if foreign else {}),
    }
    if settings.shrink:
        outside = LeftOut(foreign, tag_splits) if foreign else None
        guard = fit_guard(labels, LeftOut(predictions, splits), outside, settings.seed)
        states["guard"], predictions = guard.state, guard.predictions
        report |= guard.report
    notes += tuple(part.notes(states["state"], declared_text))
    predictions = with_costs(predictions, held_out_costs(labels, splits))
    choices = choices_of(node)
    policy, priced = node.settled("policy"), priced_labels(labels, choices)
    decisions: Decisions
    if table is None:
        decisions = Route(policy, choices, priced, predictions, settings.seed)
    else:
        baselines = Baselines.of(table, splits, settings.seed)
        estimates = as_estimates(predictions)
        every = np.arange(len(table.rows))
        decisions = Cascade(
            policy,
            choices,
            priced,
            table,
            lambda at, _: estimates[at],
            baselines,
            every,
            settings.seed,
        )
    calibrated, reached = calibrated_to(decisions, node.get("policy"), settings.target)
    notes += (*foreign_losses(report), *alarm_note(report))
    rows = len(labels.queries)
    return TrainingResult(labels.names, rows, states, {**report, **reached}, calibrated, notes)


def examined(labels: Labels, folds: int) -> tuple[str, ...]:
    """Refuse labels that teach nothing of a choice; return what else a person should know."""
    different = len(set(labels.queries))
    if different < folds:
        are = "is" if different == 1 else "are"
        kind = "row" if different == len(labels.queries) else "different question"
        text = f"{counted(different, kind)} with outcomes {are} too few for {folds} folds"
        fewer = ", or fewer folds: `--folds 2`" if folds > LEAST_FOLDS <= different else ""
        raise not_trainable(text, f"give more {kind}s{fewer}")
    labelled = ~np.isnan(labels.quality)
    unlabelled = [name for at, name in enumerate(labels.names) if not labelled[:, at].any()]
    if unlabelled:
        text = f"the data have no outcome of {_listed(unlabelled)}"
        raise not_trainable(text, "record some, or leave out this branch")
    return (*_remarks(labels, labelled), *cost_notes(labels))


def _remarks(labels: Labels, labelled: NDArray[np.bool_]) -> list[str]:
    notes = []
    if repeated := len(labels.queries) - len(set(labels.queries)):
        notes.append(
            f"{repeated} of {counted(len(labels.queries), 'row')} repeat the question of another "
            "row: rows with the same question are left out together"
        )
    for at, name in enumerate(labels.names):
        values = labels.quality[labelled[:, at], at]
        if len(values) < len(labelled):
            notes.append(
                f"{name} has outcomes for {len(values)} of {counted(len(labelled), 'row')}"
            )
        if values.min() == values.max():
            notes.append(
                f"{name} always has the outcome {values[0]:g}, so the rows do not say on which "
                "questions it does better"
            )
    complete = labelled.all(1)
    quality = labels.quality[complete]
    if len(quality) and (quality == quality[:, :1]).all():
        notes.append(
            "all choices are equally good on every row, so no route can be better than one of them"
        )
    return notes


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")

"""The trainer of estimators: labels, cross-validation, calibration, and the state of all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.fit.calibrate import Route, calibrate
from composer.fit.folds import by_tag, out_of_fold, shuffled
from composer.fit.guarding import guard, held_out, see
from composer.fit.lesson import TrainingResult, unteachable
from composer.fit.outcomes import choices_of, outcomes_of
from composer.fit.validation import facts, validate
from composer.fit.worth import losses
from composer.heavy import np
from composer.methods.estimators.foreign import near_state
from composer.values import Port

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from composer.compiler.fits import Calibrated
    from composer.compiler.graph import Node
    from composer.fit.lesson import FitSettings
    from composer.methods.estimators.base import Learned
    from composer.methods.estimators.values import Labels, Predictions

_SHOWN = 3


def train_estimator(part: Learned, node: Node, lesson: FitSettings) -> TrainingResult:
    """Teach an estimator of a route's choices, say how well it does, and calibrate the route."""
    if node.port is not Port.DECISION:
        text = f"`{part.name}` can only learn inside of a `route`"
        raise unteachable(text, "write `route(by = ...) -> [a, b]`")
    labels = outcomes_of(node, lesson)
    notes = _examined(labels)
    splits = shuffled(len(labels.queries), lesson.folds, lesson.seed)
    found = out_of_fold(part, labels, splits, lesson.seed)
    apart = by_tag(labels.tags, lesson.folds)
    foreign = out_of_fold(part, labels, apart, lesson.seed) if apart else None
    states = {"state": part.fit(labels, lesson.seed)}
    report = {
        **facts(labels),
        "shuffled": validate(labels, found, lesson.seed),
        **({"foreign": validate(labels, foreign, lesson.seed)} if foreign else {}),
    }
    if lesson.shrink:
        near, vectors = near_state(labels.asked)
        usual = see(labels, vectors, found, splits, lesson.seed)
        strange = see(labels, vectors, foreign, apart, lesson.seed) if foreign else None
        states["guard"] = guard(labels, near, usual, strange, lesson.seed)
        found = held_out(labels, usual, strange)
        report["shuffled_shrunk"] = validate(labels, found, lesson.seed)
        if strange:
            kept = held_out(labels, strange, usual)
            report["foreign_shrunk"] = validate(labels, kept, lesson.seed)
    calibrated, reached = _calibrated(node, lesson, labels, found)
    notes += tuple(losses(report))
    rows = len(labels.queries)
    return TrainingResult(labels.names, rows, states, {**report, **reached}, calibrated, notes)


def _calibrated(
    node: Node, lesson: FitSettings, labels: Labels, found: Predictions
) -> tuple[Calibrated | None, dict[str, object]]:
    if lesson.target is None:
        return None, {}
    written = node.get("policy")
    route = Route(node.settled("policy"), choices_of(node), labels, found, lesson.seed)
    return calibrate(route, written, lesson.target)


def _examined(labels: Labels) -> tuple[str, ...]:
    """Refuse labels that teach nothing of a choice; return what else a person should know."""
    known = ~np.isnan(labels.quality)
    silent = [name for at, name in enumerate(labels.names) if not known[:, at].any()]
    if silent:
        text = f"the data have no outcome of {_listed(silent)}"
        raise unteachable(text, "record some, or leave the branch out until there are")
    return tuple(_remarks(labels, known))


def _remarks(labels: Labels, known: NDArray[np.bool_]) -> list[str]:
    notes = []
    for at, name in enumerate(labels.names):
        values = labels.quality[known[:, at], at]
        if len(values) < len(known):
            notes.append(f"{name} has outcomes for {len(values)} of {len(known)} rows")
        if values.min() == values.max():
            notes.append(
                f"{name} always had the outcome {values[0]:g}: nothing tells queries apart"
            )
    both = known.all(1)
    some = labels.quality[both]
    if len(some) and (some == some[:, :1]).all():
        notes.append("the choices were equally good on every row: no route can gain anything")
    if np.isnan(labels.cost).all():
        notes.append("no costs are known")
    return notes


def _listed(names: list[str]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")

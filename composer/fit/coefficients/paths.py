"""The trainer of `paths`: which layers of a stack are kept, by trying stacks on rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.compiler.graph import model_of
from composer.fit.coefficients.history import kept_history
from composer.fit.coefficients.measuring import Measuring
from composer.fit.coefficients.opening import history_name, opened_memory
from composer.fit.coefficients.reports import begins, held_out
from composer.fit.coefficients.search import tried
from composer.fit.settings import TrainingResult, not_trainable
from composer.heavy import np
from composer.methods.edits.paths import decoded
from composer.methods.edits.searched import query_digests, tie_broken
from composer.specs import Stack
from composer.values import Fitted, State

if TYPE_CHECKING:
    from composer.compiler.graph import Node
    from composer.fit.settings import FitSettings
    from composer.methods.edits.paths import Paths
    from composer.methods.estimators.values import Floats

__all__ = ["train_paths"]


def train_paths(part: Paths, node: Node, settings: FitSettings) -> TrainingResult:
    """Search on four fifths of the rows with references, and measure what was found on the others.

    (As many as `folds` says.) Raises Mistakes (E509) where there are too few rows.
    """
    model = model_of(node)
    if not isinstance(model, Stack):
        text = f"`{part.name}` can only be fitted in a `stack`"
        raise not_trainable(text, "write `stack(A, B, layers = [...], order = paths())`")
    slots = len(model.slots)

    def at(state: State) -> Stack:
        fitted = Fitted.of(model.labels, 0, state=state)
        return replace(model, order=part.bound(fitted))

    with opened_memory(part, model, settings) as (memory, how, rows, some, held):
        measuring = Measuring(replace(model, order=None), memory, how, rows)

        def score(point: Floats) -> float:
            measured = measuring.measured(at(decoded(point, slots)), some)
            return tie_broken(measured.quality, measured.likelihood)

        name = history_name(part, model, settings) if settings.cache else None
        with kept_history(name) as history:
            settings.tell(begins(part, some, history))
            found = tried(part, part.space(slots), score, settings.seed, history)
        state = decoded(found.point, slots)
        figures = held_out(measuring, at(state), held, settings.seed)
    queries = query_digests(row.query for row in (*some, *held))
    state = State({**state.arrays, "queries": queries}, state.facts)
    layers = [f"{model.labels[d]} {layer}" for d, layer in at(state).path]
    scales = np.round(part.bound(Fitted.of((), 0, state=state)).scales(slots), 4).tolist()
    report = {"history": list(found.scores), "layers": layers, "scales": scales, **figures}
    return TrainingResult(model.labels, len(some), {"state": state}, report)

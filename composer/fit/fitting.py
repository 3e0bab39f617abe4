"""`compose fit`: find the trainable parts of a recipe, train them, write the fit file beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from composer.compiler.fits import (
    FitData,
    FitManifest,
    ManifestEntry,
    find_learners,
    fit_path,
    learners_of,
    specification,
    with_fits,
    write_fit,
)
from composer.compiler.fits.manifest import content_of
from composer.diagnostics import Diagnostic, Mistakes
from composer.fit.boundaries import train_boundary
from composer.fit.coefficients.adaptive import train_adaptive
from composer.fit.coefficients.paths import train_paths
from composer.fit.coefficients.search import train_points
from composer.fit.coordinators import train_roles
from composer.fit.estimators import train_estimator
from composer.fit.fuses import train_mapping, train_part
from composer.fit.policies import train_policy
from composer.fit.selectors import train_selector
from composer.fit.settings import FitSettings, TrainingResult, nearest, not_trainable
from composer.fit.stages import train_acceptance, train_after_answers, train_signal
from composer.fit.step_rewards import train_step_head
from composer.methods.acceptances.base import LearnedAcceptance
from composer.methods.align.mapped import Mapped
from composer.methods.coordinators.roles import Roles
from composer.methods.edits.adaptive import Adaptive
from composer.methods.edits.paths import Paths
from composer.methods.edits.searched import PointSearch
from composer.methods.estimators.base import Learned
from composer.methods.fitted import TrainablePart
from composer.methods.post_hoc.base import AfterAnswers
from composer.methods.rewards.learned import StepHead
from composer.methods.selecting import LearnedSelector
from composer.methods.signals.learned import LearnedSignal
from composer.methods.spans.learned import LearnedBoundary
from composer.methods.spans.policy import Policy
from composer.quiet import quiet
from composer.specs.content import file_digest
from composer.values import Fitted, Port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from composer.compiler.fits import Learner
    from composer.compiler.graph import Node
    from composer.values import State, Trainable


Trainer = Callable[[Any, "Node", FitSettings], TrainingResult]
"""Fits a part that stands in a node by the settings; raises Mistakes where it cannot."""

TRAINERS: dict[type[Trainable], Trainer] = {
    Learned: train_estimator,
    LearnedSelector: train_selector,
    TrainablePart: train_part,
    Policy: train_policy,
    Mapped: train_mapping,
    LearnedBoundary: train_boundary,
    AfterAnswers: train_after_answers,
    LearnedAcceptance: train_acceptance,
    LearnedSignal: train_signal,
    StepHead: train_step_head,
    Roles: train_roles,
    PointSearch: train_points,
    Adaptive: train_adaptive,
    Paths: train_paths,
}
"""The trainer of each class of parts; a part is trained by that of its nearest class."""


def trainer_of(part: Trainable) -> Trainer:
    """Return the trainer of a part; raises Mistakes where its kind has none."""
    return nearest(TRAINERS, part)


@dataclass(frozen=True)
class FitOutcome:
    """What was fitted and where it was written; `notes` are what a person should read."""

    path: Path
    manifest: FitManifest
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """Give the plain values that `--json` prints."""
        entries = [
            entry.model_dump(mode="json", exclude={"facts", "key"})
            for entry in self.manifest.entries
        ]
        return {
            "version": self.manifest.version,
            "fit": str(self.path),
            "recipe": self.manifest.recipe,
            "data": self.manifest.data.model_dump(),
            "seed": self.manifest.seed,
            "entries": entries,
            "notes": list(self.notes),
        }


def fit(settings: FitSettings, on_part: Callable[[Learner], None] = lambda _: None) -> FitOutcome:
    """Train every trainable part of a recipe, and write the fit file beside it.

    `on_part` is called with each part as its turn comes. Raises Mistakes where the recipe lies in
    no file (E501), has no part that can be fitted, or the data do not say enough (E509).
    """
    recipe = settings.recipe
    if recipe.path is None:
        text = "a fit needs a recipe that is saved in a file"
        raise Mistakes([Diagnostic("E501", text, help="save the recipe first")])
    learners = find_learners(recipe.compiled.answer) if recipe.compiled.answer is not None else []
    if not learners:
        text = f"`{recipe.name}` has no part that can be fitted"
        help_ = (
            "add one, for example `route(by = linear()) -> [a, b]`; a part that has a `file` is "
        )
        help_ += "fitted already: leave the `file` out, and it is fitted anew"
        raise not_trainable(text, help_)
    trained = _train(settings, on_part)
    results = [trained[learner.key] for learner in learners]
    manifest = FitManifest(
        recipe=recipe.path.name,
        data=_source(settings.data, recipe.path),
        seed=settings.seed,
        entries=tuple(map(_entry, learners, results)),
    )
    path = fit_path(recipe.path)
    write_fit(path, manifest, [result.states for result in results])
    return FitOutcome(
        path, manifest, tuple(dict.fromkeys(note for result in results for note in result.notes))
    )


def _train(settings: FitSettings, on_part: Callable[[Learner], None]) -> dict[str, TrainingResult]:
    """Train all parts in turn, each in a recipe that uses what was learnt before; by their keys."""
    results: dict[str, TrainingResult] = {}
    compiled = settings.recipe.compiled
    assert compiled.answer is not None
    nodes = _branches_first(compiled.answer)
    for key in dict.fromkeys(each.key for node in nodes for each in learners_of(node)):
        assert compiled.answer is not None
        learner = next(each for each in find_learners(compiled.answer) if each.key == key)
        on_part(learner)
        recipe = replace(settings.recipe, compiled=compiled, path=None)
        with quiet():
            train = trainer_of(learner.part)
            result = train(learner.part, learner.node, replace(settings, recipe=recipe))
        results[key] = result
        entry = _entry(learner, result)
        facts = {**entry.report, "data": settings.data.name}
        fitted = Fitted(result.names, result.rows, partial(_states, result), facts, entry.content)
        compiled = with_fits(compiled, {key: fitted}, {key: entry})
    return results


def _branches_first(root: Node) -> list[Node]:
    """Return all nodes under a root, inputs first, and a decision after the branches it chooses."""
    order: dict[Node, None] = {}
    stack = [(root, False)]
    while stack:
        node, is_done = stack.pop()
        if is_done:
            order.setdefault(node)
        elif node not in order:
            inputs = sorted(node.inputs, key=lambda each: each.port is not Port.DECISION)
            stack += [(node, True), *((each, False) for each in inputs)]
    return list(order)


def _states(result: TrainingResult) -> Mapping[str, State]:
    return result.states


def _entry(learner: Learner, result: TrainingResult) -> ManifestEntry:
    return ManifestEntry(
        key=learner.key,
        op=learner.node.op,
        option=learner.option,
        part=specification(learner.part),
        names=result.names,
        rows=result.rows,
        content=content_of(result.states),
        facts={name: dict(state.facts) for name, state in result.states.items()},
        report=dict(result.report),
        calibrated=result.calibrated,
    )


def _source(data: Path, recipe: Path) -> FitData:
    try:
        path = os.path.relpath(data.resolve(), recipe.resolve().parent)
    except ValueError:  # on another drive
        path = str(data.resolve())
    return FitData(path=path.replace(os.sep, "/"), digest=file_digest(data))

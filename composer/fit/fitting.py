"""`compose fit`: find what can learn in a recipe, teach it, and keep that beside the recipe."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.compiler.fits import (
    FitManifest,
    ManifestEntry,
    Source,
    find,
    fit_path,
    specification,
    write_fit,
)
from composer.compiler.fits.kept import content_of
from composer.diagnostics import Diagnostic, Mistakes
from composer.fit.lesson import unteachable
from composer.fit.trainers import trainer_of
from composer.quiet import quiet
from composer.specs.content import file_digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from composer.compiler.fits import Learner
    from composer.fit.lesson import FitSettings, TrainingResult


@dataclass(frozen=True)
class FitOutcome:
    """What was learnt and where it was written; `notes` are what a person should read."""

    path: Path
    kept: FitManifest
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """Give the plain values that `--json` prints."""
        entries = [
            entry.model_dump(mode="json", exclude={"facts", "key"}) for entry in self.kept.entries
        ]
        return {
            "version": self.kept.version,
            "fit": str(self.path),
            "recipe": self.kept.recipe,
            "data": self.kept.data.model_dump(),
            "seed": self.kept.seed,
            "entries": entries,
            "notes": list(self.notes),
        }


def fit(lesson: FitSettings, seen: Callable[[Learner], None] = lambda _: None) -> FitOutcome:
    """Teach every part of a recipe that can learn, and write what they learnt beside it.

    `seen` is called with each part as its turn comes. Raises Mistakes where the recipe lies in no
    file (E501), has nothing to teach, or the data do not say enough (E509).
    """
    recipe = lesson.recipe
    if recipe.path is None:
        text = "a fit needs a recipe that is saved in a file"
        raise Mistakes([Diagnostic("E501", text, help="save the recipe first")])
    learners = find(recipe.compiled.answer) if recipe.compiled.answer is not None else []
    if not learners:
        text = f"`{recipe.name}` has no part that learns"
        raise unteachable(text, "route by one that does: `route(by = linear()) -> [a, b]`")
    taught = []
    for learner in learners:
        seen(learner)
        with quiet():
            taught.append(trainer_of(learner.part)(learner.part, learner.node, lesson))
    kept = FitManifest(
        recipe=recipe.path.name,
        data=_source(lesson.data, recipe.path),
        seed=lesson.seed,
        entries=tuple(map(_entry, learners, taught)),
    )
    path = fit_path(recipe.path)
    write_fit(path, kept, [each.states for each in taught])
    return FitOutcome(
        path, kept, tuple(dict.fromkeys(note for each in taught for note in each.notes))
    )


def _entry(learner: Learner, taught: TrainingResult) -> ManifestEntry:
    return ManifestEntry(
        key=learner.key,
        op=learner.node.op,
        option=learner.option,
        part=specification(learner.part),
        names=taught.names,
        rows=taught.rows,
        content=content_of(taught.states),
        facts={name: dict(state.facts) for name, state in taught.states.items()},
        report=dict(taught.report),
        calibrated=taught.calibrated,
    )


def _source(data: Path, recipe: Path) -> Source:
    try:
        path = os.path.relpath(data.resolve(), recipe.resolve().parent)
    except ValueError:  # on another drive
        path = str(data.resolve())
    return Source(path=path.replace(os.sep, "/"), digest=file_digest(data))

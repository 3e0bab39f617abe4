"""Binding: the parts of a graph get what they learnt, or the fit is refused with a reason."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pydantic import ValidationError

from composer.compiler.fits.encoders import other_weights
from composer.compiler.fits.learners import (
    Learner,
    find_learners,
    names_of,
    replace_trainable,
    specification,
)
from composer.compiler.fits.manifest import (
    arrays_path,
    fit_command,
    fit_path,
    is_whole,
    loader,
    read_fit,
)
from composer.diagnostics import Diagnostic, Mistakes
from composer.diagnostics.amounts import number_text
from composer.specs.content import file_digest
from composer.values import Fitted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from composer.compiler.fits.manifest import CalibratedOption, FitManifest, ManifestEntry
    from composer.compiler.graph import Compiled, Graph, Node
    from composer.values import Trainable
    from composer.values.typed import Typed

STALE, FOREIGN = "E507", "E508"


def bind(compiled: Compiled, recipe: Path) -> Compiled:
    """Return a recipe whose parts have what the fit beside it holds, the recipe itself if none.

    Raises Mistakes where the fit is of another recipe (E508), where the recipe, its choices or the
    data have changed since, or where its arrays are not whole (E507).
    """
    path = fit_path(recipe)
    if compiled.answer is None or not path.exists():
        return compiled
    learners = find_learners(compiled.answer)
    if not learners:
        return compiled
    manifest = read_fit(path)
    entries = {entry.key: entry for entry in manifest.entries}
    mistakes = [*_differences(learners, entries, manifest, recipe), *_data(manifest, recipe)]
    if not mistakes and not is_whole(path):
        message = f"the file {arrays_path(path)} of the fit is missing or damaged"
        mistakes = [_refused(STALE, message, manifest, recipe)]
    if mistakes:
        raise Mistakes(mistakes)
    fits = {
        entry.key: Fitted(
            entry.names, entry.rows, loader(path, at, entry), _facts(manifest, entry), entry.content
        )
        for at, entry in enumerate(manifest.entries)
    }
    return with_fits(compiled, fits, entries)


def with_fits(
    compiled: Compiled, fits: Mapping[str, Fitted], entries: Mapping[str, ManifestEntry]
) -> Compiled:
    """Return a recipe whose parts have what was learnt for them, by their keys; others stay."""
    assert compiled.answer is not None
    change = partial(_bound, compiled.graph, fits, entries)
    return replace(compiled, answer=compiled.graph.rebuild(compiled.answer, change))


def _bound(
    graph: Graph, fits: Mapping[str, Fitted], entries: Mapping[str, ManifestEntry], node: Node
) -> Node:
    """Return a node whose parts have what they learnt, and whose policy is calibrated."""
    updates: dict[str, object] = {}
    for option, value in node.values().items():

        def fitted_part(part: Trainable, option: str = option) -> Trainable:
            key = Learner(node, option, part).key
            if key not in fits:
                return part
            calibrated = entries[key].calibrated
            if calibrated is not None and calibrated.of == "part":
                part = part.model_copy(update={calibrated.option: calibrated.value})
            elif calibrated is not None:
                updates["policy"] = _calibrated(node, calibrated)
            return part.bound(fits[key])

        new_value = replace_trainable(value, fitted_part)
        if new_value is not value:
            updates[option] = new_value
    return graph.replaced(node, **updates) if updates else node


def _calibrated(node: Node, calibrated: CalibratedOption) -> Typed:
    """Return a route's policy with the option that was calibrated."""
    policy: Typed = node.settled("policy")
    return policy.model_copy(update={calibrated.option: calibrated.value})


def _facts(manifest: FitManifest, entry: ManifestEntry) -> dict[str, object]:
    """Return what a plan says of a fit."""
    calibrated = entry.calibrated
    aim = {} if calibrated is None else calibrated.model_dump(include={"option", "value", "target"})
    return {**entry.report, "data": manifest.data.path, "calibrated": aim}


def _differences(
    learners: list[Learner],
    entries: Mapping[str, ManifestEntry],
    manifest: FitManifest,
    recipe: Path,
) -> Iterator[Diagnostic]:
    matching = [learner for learner in learners if learner.key in entries]
    for learner in learners:
        entry = entries.get(learner.key)
        if entry is not None:
            yield from _policy(learner, entry, manifest, recipe)
            if (entry.op, entry.names) != (learner.node.op, learner.names):
                message = (
                    f"the fit of {recipe.name} is damaged: the step and the choices in it do not "
                    "match its key"
                )
                yield _refused(STALE, message, manifest, recipe)
        elif not matching and manifest.recipe != recipe.name:
            message = f"the fit beside {recipe.name} was made for another recipe: {manifest.recipe}"
            yield _refused(FOREIGN, message, manifest, recipe)
            return
        else:
            why = _why(learner, list(entries.values()))
            message = f"the fit of {recipe.name} is out of date: {why}"
            yield _refused(STALE, message, manifest, recipe)


def _why(learner: Learner, entries: list[ManifestEntry]) -> str:
    """Say what differs between a part and the fit that is closest to it."""
    name = learner.part.name
    same = [
        entry for entry in entries if (entry.op, entry.part.get("name")) == (learner.node.op, name)
    ]
    if not same:
        return f"it contains nothing for `{name}`"
    now, then = specification(learner.part), same[0].part
    changed = [option for option in now if now[option] != then.get(option)]
    if same[0].names != learner.names:
        before, after = ", ".join(same[0].names), ", ".join(names_of(learner.node))
        return f"`{name}` was fitted with the choices {before}; now they are {after}"
    if changed == ["data"]:
        return f"the data of `{name}` have changed"
    if message := other_weights(same[0], now):
        return message
    return f"these options of `{name}` have changed: {', '.join(changed)}"


def _policy(
    learner: Learner, entry: ManifestEntry, manifest: FitManifest, recipe: Path
) -> Iterator[Diagnostic]:
    calibrated = entry.calibrated
    if calibrated is None or calibrated.of == "part":
        return
    policy = learner.node.values().get("policy")
    now = None if policy is None else specification(policy)
    if now != calibrated.policy:
        message = f"the fit of {recipe.name} was calibrated for another policy"
        yield _refused(STALE, message, manifest, recipe, target=calibrated.target)
    elif not _fits(learner.node.settled("policy"), calibrated):
        message = (
            f"the fit of {recipe.name} sets `{calibrated.option}` to "
            f"{number_text(calibrated.value)}, which is not allowed"
        )
        yield _refused(STALE, message, manifest, recipe)


def _fits(policy: Typed, calibrated: CalibratedOption) -> bool:
    """Say whether a policy has the option that was calibrated, and may have that value."""
    if calibrated.option not in type(policy).model_fields:
        return False
    now = {name: getattr(policy, name) for name in type(policy).model_fields}
    try:
        type(policy).model_validate(now | {calibrated.option: calibrated.value})
    except ValidationError:
        return False
    return True


def _data(manifest: FitManifest, recipe: Path) -> Iterator[Diagnostic]:
    """Refuse a fit whose data file has changed; one that is gone cannot be compared."""
    path = recipe.parent / manifest.data.path
    try:
        changed = path.is_file() and file_digest(path) != manifest.data.digest
    except OSError:
        changed = True
    if changed:
        message = f"the fit of {recipe.name} is out of date: {manifest.data.path} has changed since"
        yield _refused(STALE, message, manifest, recipe)


def _refused(
    code: str, message: str, manifest: FitManifest, recipe: Path, *, target: str | None = None
) -> Diagnostic:
    data = None if code == FOREIGN else manifest.data.path
    command = fit_command(recipe, data, [target] if target else manifest.targets)
    return Diagnostic(code, message, help=f"fit again: `{command}`, or delete {fit_path(recipe)}")

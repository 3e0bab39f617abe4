"""Binding: the parts of a graph get what they learnt, or the fit is refused with a reason."""

from __future__ import annotations

import shlex
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from composer.compiler.fits.learners import (
    Learner,
    find_learners,
    names_of,
    replace_trainable,
    specification,
)
from composer.compiler.fits.manifest import arrays_path, fit_path, is_whole, loader, read_fit
from composer.diagnostics import Diagnostic, Mistakes
from composer.specs.content import file_digest
from composer.values import Fitted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
    kept = read_fit(path)
    entries = {entry.key: entry for entry in kept.entries}
    mistakes = [*_differences(learners, entries, kept, recipe), *_data(kept, recipe)]
    if not mistakes and not is_whole(path):
        said = f"the file {arrays_path(path)} of the fit is missing or damaged"
        mistakes = [_refused(STALE, said, kept, recipe)]
    if mistakes:
        raise Mistakes(mistakes)
    fits = {
        entry.key: Fitted(
            entry.names, entry.rows, loader(path, at, entry), _facts(kept, entry), entry.content
        )
        for at, entry in enumerate(kept.entries)
    }
    change = partial(_bound, compiled.graph, fits, entries)
    return replace(compiled, answer=compiled.graph.rebuild(compiled.answer, change))


def _bound(
    graph: Graph, fits: Mapping[str, Fitted], entries: Mapping[str, ManifestEntry], node: Node
) -> Node:
    """Return a node whose parts have what they learnt, and whose policy is calibrated."""
    updates: dict[str, object] = {}
    for option, value in node.values().items():

        def taught(part: Trainable, option: str = option) -> Trainable:
            key = Learner(node, option, part).key
            if (found := entries[key].calibrated) is not None:
                updates["policy"] = _calibrated(node, found)
            return part.bound(fits[key])

        fresh = replace_trainable(value, taught)
        if fresh is not value:
            updates[option] = fresh
    return graph.replaced(node, **updates) if updates else node


def _calibrated(node: Node, found: CalibratedOption) -> Typed:
    """Return a route's policy with the option that was calibrated."""
    policy: Typed = node.settled("policy")
    return policy.model_copy(update={found.option: found.value})


def _facts(kept: FitManifest, entry: ManifestEntry) -> dict[str, object]:
    """Return what a plan says of a fit."""
    found = entry.calibrated
    aim = {} if found is None else found.model_dump(include={"option", "value", "target"})
    return {**entry.report, "data": kept.data.path, "calibrated": aim}


def _differences(
    learners: list[Learner], entries: Mapping[str, ManifestEntry], kept: FitManifest, recipe: Path
) -> Iterator[Diagnostic]:
    known = [learner for learner in learners if learner.key in entries]
    for learner in learners:
        entry = entries.get(learner.key)
        if entry is not None:
            yield from _policy(learner, entry, kept, recipe)
            if (entry.op, entry.names) != (learner.node.op, learner.names):
                said = (
                    f"the fit of {recipe.name} is damaged: the step and the choices in it do not "
                    "match its key"
                )
                yield _refused(STALE, said, kept, recipe)
        elif not known and kept.recipe != recipe.name:
            said = f"the fit beside {recipe.name} was made for another recipe: {kept.recipe}"
            yield _refused(FOREIGN, said, kept, recipe)
            return
        else:
            why = _why(learner, list(entries.values()))
            said = f"the fit of {recipe.name} is out of date: {why}"
            yield _refused(STALE, said, kept, recipe)


def _why(learner: Learner, entries: list[ManifestEntry]) -> str:
    """Say what differs between a part and the fit that is closest to it."""
    name = learner.part.name
    same = [each for each in entries if (each.op, each.part.get("name")) == (learner.node.op, name)]
    if not same:
        return f"it contains nothing for `{name}`"
    now, then = specification(learner.part), same[0].part
    changed = [each for each in now if now[each] != then.get(each)]
    if same[0].names != learner.names:
        before, after = ", ".join(same[0].names), ", ".join(names_of(learner.node))
        return f"`{name}` was fitted with the choices {before}; now they are {after}"
    if changed == ["data"]:
        return f"the data of `{name}` have changed"
    return f"these options of `{name}` have changed: {', '.join(changed)}"


def _policy(
    learner: Learner, entry: ManifestEntry, kept: FitManifest, recipe: Path
) -> Iterator[Diagnostic]:
    found = entry.calibrated
    if found is None:
        return
    policy = learner.node.values().get("policy")
    now = None if policy is None else specification(policy)
    if now != found.policy:
        said = f"the fit of {recipe.name} was calibrated for another policy"
        yield _refused(STALE, said, kept, recipe, target=found.target)
    elif not _fits(learner.node.settled("policy"), found):
        said = (
            f"the fit of {recipe.name} sets `{found.option}` to {found.value:g}, which is not "
            "allowed"
        )
        yield _refused(STALE, said, kept, recipe)


def _fits(policy: Typed, found: CalibratedOption) -> bool:
    """Say whether a policy has the option that was calibrated, and may have that value."""
    if found.option not in type(policy).model_fields:
        return False
    now = {name: getattr(policy, name) for name in type(policy).model_fields}
    try:
        type(policy).model_validate(now | {found.option: found.value})
    except ValidationError:
        return False
    return True


def _data(kept: FitManifest, recipe: Path) -> Iterator[Diagnostic]:
    """Refuse a fit whose data file has changed; one that is gone cannot be compared."""
    path = recipe.parent / kept.data.path
    try:
        changed = path.is_file() and file_digest(path) != kept.data.digest
    except OSError:
        changed = True
    if changed:
        said = f"the fit of {recipe.name} is out of date: {kept.data.path} has changed since"
        yield _refused(STALE, said, kept, recipe)


def _refused(
    code: str, said: str, kept: FitManifest, recipe: Path, *, target: str | None = None
) -> Diagnostic:
    targets = [target] if target else _targets(kept)
    aim = "".join(f" --target {each}" for each in targets)
    data = "FILE" if code == FOREIGN else shlex.quote(str(_from_here(recipe, kept.data.path)))
    command = f"compose fit {shlex.quote(str(recipe))} --data {data}{aim}"
    return Diagnostic(code, said, help=f"fit again: `{command}`, or delete {fit_path(recipe)}")


def _targets(kept: FitManifest) -> list[str]:
    found = (entry.calibrated for entry in kept.entries)
    return list(dict.fromkeys(each.target for each in found if each is not None))


def _from_here(recipe: Path, data: str) -> Path:
    return Path(data) if Path(data).is_absolute() else recipe.parent / data

"""Recorded answers of a data file stand in for the models of a recipe: then nobody is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.backends.recorded import Recorded
from composer.backends.recording import recording
from composer.compiler.graph import topological
from composer.compiler.graph.choices import writer
from composer.diagnostics import Diagnostic, Mistakes, did_you_mean
from composer.diagnostics.amounts import counted
from composer.values import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from composer.compiler.graph import Node
    from composer.fit.settings import FitSettings
    from composer.recipe import Recipe


def with_records(recipe: Recipe, settings: FitSettings, branches: Sequence[Node] = ()) -> Recipe:
    """Return a recipe in which models answer as the rows of the data recorded them.

    A model that the data do not know by any of its names is asked as before, and so is a member of
    a fuse, of whose tokens the data have no distributions. So is whoever is asked something else
    than the question: a judge, or the verifier of a signal. Raises Mistakes (E504) where the data
    have answers of some models of the recipe, and none of a model that is one of the `branches`.
    """
    answer = recipe.compiled.answer
    assert answer is not None
    known = recorded_models(settings)
    names = {node: name for node in _askable(answer) if (name := recorded_as(node, known))}
    if not names:
        return recipe
    for branch in branches:
        model = writer(branch)
        if model is not None and model not in names and not _replays(model):
            raise _unrecorded(model, known, settings)
    _demand_draws(answer, names, settings)
    listed = ", ".join(f"`{node.title}`" for node in names)
    settings.tell(f"the data have the answers of {listed}")
    graph = recipe.compiled.graph

    def stand_in(model: Node) -> Node:
        if model not in names:
            return model
        price = getattr(model.declaration, "price", None)
        recorded = Recorded(file=str(settings.data), model=names[model], price=price)
        return graph.replaced(model, declaration=recorded)

    def change(node: Node) -> Node:
        if not _answers(node):
            return node
        return graph.replaced(node, tuple(map(stand_in, node.direct_inputs)))

    compiled = replace(recipe.compiled, answer=graph.rebuild(answer, change))
    return replace(recipe, compiled=compiled, path=None)


def is_recorded(branch: Node, settings: FitSettings) -> bool:
    """Say whether the data have answers of every model that a branch asks, and it asks some."""
    known = recorded_models(settings)
    nodes = [node for node in topological(branch) if node.declaration is not None]
    askable = set(_askable(branch))
    return bool(nodes) and all(
        _replays(node) or (node in askable and recorded_as(node, known)) for node in nodes
    )


def recorded_models(settings: FitSettings) -> Sequence[str]:
    """Return the names of the models that the data have answers of; raises Mistakes."""
    try:
        return recording(str(settings.data)).models
    except ModelError as error:
        raise Mistakes([Diagnostic(error.code, error.message, help=error.help)]) from None


def recorded_as(node: Node, known: Sequence[str]) -> str | None:
    """Return the name under which the data have answers of a model, None where they have none."""
    declaration = node.declaration
    names = () if declaration is None else (*declaration.aliases, node.title)
    return next((name for name in names if name in known), None)


def _askable(answer: Node) -> Iterator[Node]:
    """Yield the declared models that answer a question by themselves, and do not replay."""
    models = (node.direct_inputs for node in topological(answer) if _answers(node))
    for node in dict.fromkeys(model for inputs in models for model in inputs):
        if node.declaration is not None and not _replays(node):
            yield node


def _answers(node: Node) -> bool:
    """Say whether a step lets one model answer what it is asked."""
    return not node.is_query and node.step.alone


def _demand_draws(answer: Node, names: Mapping[Node, str], settings: FitSettings) -> None:
    """Raise Mistakes (E504) where a model is drawn more often than the data have answers of it.

    One recorded text cannot stand in for several draws: all of them would be equal.
    """
    records = recording(str(settings.data))
    for step in topological(answer):
        if step.is_query or not step.step.in_turn:
            continue
        for model in (node for node in step.direct_inputs if node in names):
            fewest = min(len(r.get("answers") or ("",)) for r in records.answers(names[model]))
            if step.get("n") > fewest:
                text = (
                    f"`{model.title}` is drawn {step.get('n')} times, and {settings.data} has only "
                    f"{counted(fewest, 'answer')} of it for some row"
                )
                help_ = (
                    "record that many `answers`, or remove `recorded` from the rows: then the "
                    "models are asked"
                )
                raise Mistakes([Diagnostic("E504", text, help=help_)])


def _replays(node: Node) -> bool:
    return node.declaration is not None and node.declaration.replays


def _unrecorded(model: Node, known: Sequence[str], settings: FitSettings) -> Mistakes:
    listed = ", ".join(f"`{name}`" for name in known)
    text = f"{settings.data} has no recorded answer of `{model.title}`; it has answers of {listed}"
    near = did_you_mean(model.title, known)
    help_ = (
        f"give the model the name or alias that it has there{near and f' ({near})'}, or remove "
        "`recorded` from rows with a `reference`: then the models are asked"
    )
    return Mistakes([Diagnostic("E504", text, help=help_)])

"""The models that a recipe derives from others, and which of them is meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from composer.compiler.fits import demand_fitted
from composer.compiler.graph import topological
from composer.compiler.graph.capabilities import checkpoint_of
from composer.diagnostics import Mistakes
from composer.methods.edits.average import Average
from composer.specs import Declared, Derived, Merge
from composer.syntax import Let, parse, parse_expression, unparse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.compiler.graph import Node
    from composer.diagnostics import Place
    from composer.recipe import Recipe

__all__ = ["DerivedModel", "chosen", "derived_models"]


@dataclass(frozen=True, slots=True)
class DerivedModel:
    """A derived model of a recipe: its node, how it is written, and what it is."""

    node: Node
    text: str
    model: Derived

    @property
    def formula(self) -> str:
        """How its weights are made."""
        return self.model.formula(self.model.labels)


def derived_models(recipe: Recipe) -> list[DerivedModel]:
    """Return the derived models that the answer can reach, donors before what is made of them.

    Where there are none, they are the models with an adapter, each merged into its base. Raises
    UsageError where there are none either, Mistakes where one needs a fit that is not there.
    """
    found: list[DerivedModel] = []
    for node in topological(recipe.optimized.root):
        if node.is_checkpoint and isinstance(model := checkpoint_of(node), Derived):
            demand_fitted(node, recipe.name, recipe.path)
            text = _written(recipe.compiled.graph.places.get(node)) or model.name
            found.append(DerivedModel(node, text, model))
    found = found or list(_merged(recipe))
    if not found:
        text = f"{recipe.name} derives no model from others, so there is nothing to build"
        raise click.UsageError(f"{text}: write one, such as `merge(A, B)`")
    return found


def _merged(recipe: Recipe) -> Iterator[DerivedModel]:
    """Yield the models that have an adapter, as merges of one model: its base with the adapter."""
    for node in topological(recipe.optimized.root):
        model = checkpoint_of(node) if node.is_checkpoint else None
        if isinstance(model, Declared) and model.is_local and model.weights.adapter is not None:
            merge = Merge((model,), (model.name,), None, Average(), dtype=model.weights.dtype)
            yield DerivedModel(node, model.name, merge)


def _written(place: Place | None) -> str:
    """Return the name of the `let` at a place, else the expression that stands there, in a line."""
    if place is None:
        return ""
    file = parse(place.source) if not place.source.name.startswith("--") else None
    for statement in () if file is None else file.statements:
        if isinstance(statement, Let) and statement.value.place == place:
            return statement.name
    try:
        return unparse(parse_expression(place.text))
    except Mistakes:  # it is written in YAML
        return " ".join(place.text.split())


def chosen(models: Sequence[DerivedModel], recipe: Recipe) -> DerivedModel:
    """Return the model that answers, else the only one of which no other is made.

    Raises UsageError where there are several.
    """
    asked = recipe.optimized.root.asks
    inner = {donor for each in models for donor in each.node.inputs}
    outer = [each for each in models if each.node not in inner]
    answering = [each for each in models if asked is not None and each.node is asked.underlying]
    if len(answering or outer) == 1:
        return (answering or outer)[0]
    names = ", ".join(f"`{each.text}`" for each in outer)
    raise click.UsageError(f"several models can be built: {names}; name one with --model")

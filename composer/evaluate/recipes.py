"""The models that a recipe asks, each as a recipe of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from composer.compiler.graph import GENERATE, topological
from composer.compiler.graph.capabilities import capabilities
from composer.values.capability import Capability

if TYPE_CHECKING:
    from pydantic import BaseModel

    from composer.backends import Declaration
    from composer.compiler.graph import Node
    from composer.recipe import Recipe
    from composer.values.card import Price

__all__ = [
    "alone",
    "answering",
    "asking_options",
    "data_names",
    "declarations",
    "model_node",
    "options_of",
    "price_of",
    "steps_of",
]


TEMPERATURE = "temperature"
"""The option that every step has which lets models answer."""

COUNTED = frozenset({"n", "min", "draw", "max_length"})
"""The options of such a step that say how many answers it gives, and which."""


def declarations(recipe: Recipe) -> dict[str, Declaration]:
    """The models that the recipe's answer can reach, by name, in the order of their declaration."""
    declared = ((name, node.declaration) for name, node in _models(recipe).items())
    return {name: each for name, each in declared if each is not None}


def answering(recipe: Recipe) -> dict[str, Declaration]:
    """Those of the models that can answer alone: a reward model gives no text."""
    graph, nodes = recipe.compiled.graph, _models(recipe)
    return {
        name: each
        for name, each in declarations(recipe).items()
        if Capability.TEXT in capabilities(graph, nodes[name])
    }


def data_names(name: str, declaration: Declaration) -> tuple[str, ...]:
    """The names under which a data row may know a model of a recipe."""
    return (*declaration.aliases, name)


def price_of(declaration: Declaration) -> Price:
    """The declared dollars per million tokens read and written, None where none are declared."""
    price: Price = getattr(declaration, "price", None)
    return price


def alone(recipe: Recipe, model: str) -> Recipe:
    """Make the recipe that only asks one of the models, with the options it is asked with."""
    compiled = recipe.compiled
    node = _models(recipe)[model]
    answer = compiled.graph.node(GENERATE, (compiled.graph.query, node), _options(recipe, node))
    return replace(recipe, compiled=replace(compiled, answer=answer))


def options_of(recipe: Recipe, model: str) -> str:
    """The options with which a model is asked alone, as one text that can be compared."""
    options = _options(recipe, _models(recipe)[model])
    return "" if options is None else options.model_dump_json()


def model_node(recipe: Recipe, model: str) -> Node:
    """Return the node of one of the recipe's models."""
    return _models(recipe)[model]


def asking_options(recipe: Recipe, model: str) -> dict[str, object]:
    """The options with which a model is asked, alone or in a fuse, but for how many answers."""
    node = _models(recipe)[model]
    asking = [each for each in steps_of(recipe) if hasattr(each.options, TEMPERATURE)]
    directly = [each for each in asking if node in each.direct_inputs]
    values = next(iter((*directly, *asking))).values()
    return {name: value for name, value in values.items() if name not in COUNTED}


def _models(recipe: Recipe) -> dict[str, Node]:
    found = {node.title: node for node in steps_of(recipe) if node.declaration is not None}
    return dict(sorted(found.items(), key=lambda one: _declared(recipe, one[0])))


def _declared(recipe: Recipe, name: str) -> int:
    """Where among the recipe's own declarations a model stands; those of others come last."""
    own = list(recipe.compiled.models)
    return own.index(name) if name in own else len(own)


def steps_of(recipe: Recipe) -> list[Node]:
    """All nodes under a recipe's answer, inputs first."""
    answer = recipe.compiled.answer
    return topological(answer) if answer is not None else []


def _options(recipe: Recipe, model: Node) -> BaseModel | None:
    """The options with which a model is asked: by itself, else within a fuse, else anywhere."""
    asked = [(node, node.asks) for node in steps_of(recipe) if node.asks is not None]
    by_itself = [node for node, each in asked if each is model]
    within = [node for node, each in asked if model in topological(each)]
    chosen = next(iter((*by_itself, *within, *(node for node, _ in asked))), None)
    return chosen.options if chosen is not None else None

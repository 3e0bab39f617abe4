"""What a `route` is told of its choices: their names in data files, prices and recorded costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from composer.compiler.graph.capabilities import checkpoints_in
from composer.compiler.graph.node import topological
from composer.methods import Acceptance, Choice, Estimator, Rule
from composer.values import Port, Trainable
from composer.values.flow import unique
from composer.values.typed import parts_within

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from composer.compiler.graph.node import Node
    from composer.values.card import Price
    from composer.values.typed import Typed

__all__ = ["choices", "decides_by_stage", "stage_choices", "writer"]


def choices(
    models: Sequence[Node | None], works: Sequence[Node], query: Node | None = None
) -> dict[str, object]:
    """Return the hidden options of a route for its choices.

    `models` are the lone models that answer, None where a choice is more than that; `works` is
    all that runs for each choice, after the `query`.
    """
    declared = [None if model is None else model.declaration for model in models]
    costs = [
        _work_cost(work, query) if declaration is None else declaration.recorded_cost
        for work, declaration in zip(works, declared, strict=True)
    ]
    return {
        "aliases": tuple(() if one is None else tuple(one.aliases) for one in declared),
        "prices": tuple(getattr(one, "price", None) for one in declared),
        "recorded_costs": tuple(costs),
    }


def decides_by_stage(options: Mapping[str, object]) -> bool:
    """Say whether a cascade decides by more than a rule over the latest answer."""
    parts = (part for value in options.values() for part in parts_in(value))
    return any(isinstance(part, Acceptance | Estimator | Trainable) for part in parts)


def parts_in(value: object) -> Iterator[Typed]:
    """Yield the parts in an option's value, those in a rule too."""
    signals = sorted(value.signals(), key=str) if isinstance(value, Rule) else (value,)
    for each in signals:
        yield from parts_within(each)


def stage_choices(inputs: Sequence[Node]) -> dict[str, Any]:
    """Return the hidden options of a cascade for its stages; an answer before them is the first.

    A stage that only reads a value out of a model's answer has the name of that model.
    """
    wire = inputs[0]
    stages = inputs[1:] if wire.port is Port.QUERY else inputs
    models = [writer(stage) for stage in stages]
    titles = [
        stage.title if model is None else model.title
        for stage, model in zip(stages, models, strict=True)
    ]
    query = wire if wire.port is Port.QUERY else None
    return {"stage_names": unique(titles), **choices(models, stages, query)}


def writer(stage: Node) -> Node | None:
    """Return the model whose own answer a stage is, None where it is made of several."""
    while stage.step.gives_same and len(stage.direct_inputs) == 1:
        stage = stage.inputs[0]
    asked = None if stage.is_query else stage.asks
    return asked if asked is not None and asked.declaration is not None else None


def _work_cost(work: Node, query: Node | None) -> float | None:
    """Return what the models of a branch cost together, each once; None where one is unknown."""
    before = set() if query is None else set(topological(query))
    steps = [work] if work.port is Port.MODEL else topological(work)
    asked = [node if node.port is Port.MODEL else node.asks for node in steps if node not in before]
    leaves = {leaf for model in asked if model is not None for leaf in checkpoints_in(model)}
    costs = [_model_cost(leaf) for leaf in leaves]
    return math.fsum(costs) if costs and not any(map(math.isnan, costs)) else None


def _model_cost(model: Node) -> float:
    declaration = model.declaration
    if declaration is None:
        return math.nan
    price: Price = getattr(declaration, "price", None)
    return Choice("", price=price, recorded_cost=declaration.recorded_cost).dollars

"""What members can do, from light files alone: nothing is loaded to find a mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph.node import Node, topological

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.compiler.graph.node import Graph
    from composer.models import Capability


def capabilities(graph: Graph, model: Node) -> Capability:
    """Return what a model, or several fused into one, can do."""
    model = model.bare
    if model.declaration is not None:
        return graph.card(model.declaration).capabilities
    assert model.step.fuses is not None
    return model.step.fuses.able


def declared_in(model: Node) -> Iterator[Node]:
    """Yield the declared models that a model is made of."""
    return (node for node in topological(model) if node.declaration is not None)


def vocabulary(graph: Graph, model: Node) -> str | None:
    """Return the one vocabulary of a model, None if its members' differ or are not known."""
    cards = (graph.card(leaf.declaration) for leaf in declared_in(model) if leaf.declaration)
    known = {card.vocabulary for card in cards}
    return known.pop() if len(known) == 1 else None

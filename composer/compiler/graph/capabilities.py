"""What members can do, from light files alone: nothing is loaded to find a mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph.node import Node, model_of, model_value
from composer.specs import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from composer.backends import Capability, Card
    from composer.compiler.graph.graph import Graph
    from composer.values import Model


def checkpoint_of(node: Node) -> Checkpoint:
    """Return the value of a node that is one set of weights; raises SpecError if it cannot be."""
    value = model_of(node)
    assert isinstance(value, Checkpoint)
    return value


def memory_of(model: Checkpoint) -> Hashable:
    """Return what models have in common that have their weights in memory together."""
    return model.weights.shared if model.is_local else model.identity


def unweighed(node: Node) -> Model:
    """Return the value of a model without the prompts and weights that a query decides."""
    node = node.underlying
    return model_value(node, [unweighed(member) for member in node.inputs])


def card_of(graph: Graph, node: Node) -> Card:
    """Return what is known of a declared or derived model; raises ModelError for a mistake."""
    declaration = node.declaration
    return checkpoint_of(node).card if declaration is None else graph.card(declaration)


def capabilities(graph: Graph, model: Node) -> Capability:
    """Return what a model, or several fused into one, can do."""
    model = model.underlying
    if model.is_checkpoint:
        return card_of(graph, model).capabilities
    assert model.step.fuses is not None
    return model.step.fuses.abilities


def checkpoints_in(model: Node) -> Iterator[Node]:
    """Yield the models that answer for a model, each once; a derived one without its donors."""
    waiting, visited = [model], set()
    while waiting:
        node = waiting.pop()
        if node not in visited:
            visited.add(node)
            if node.is_checkpoint:
                yield node
            else:
                waiting.extend(reversed(node.inputs))


def vocabulary(graph: Graph, model: Node) -> str | None:
    """Return the one vocabulary of a model, None if its members' differ or are not known."""
    vocabularies = {card_of(graph, leaf).vocabulary for leaf in checkpoints_in(model)}
    return vocabularies.pop() if len(vocabularies) == 1 else None

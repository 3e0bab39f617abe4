"""Models that have their weights in memory together: those that differ in their adapters alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph.capabilities import card_of, checkpoint_of, memory_of
from composer.compiler.plan.plan import PlannedSharing

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping

    from composer.compiler.graph import Graph, Node


def weight_groups(graph: Graph, nodes: Iterable[Node]) -> list[list[Node]]:
    """Group models by the weights that they share in memory, each model once.

    A model whose size is not known is in no group.
    """
    groups: dict[Hashable, dict[str, Node]] = {}
    for node in nodes:
        model = checkpoint_of(node)
        if card_of(graph, node).bytes is not None:
            groups.setdefault(memory_of(model), {}).setdefault(model.identity, node)
    return [list(group.values()) for group in groups.values()]


def group_bytes(graph: Graph, group: Iterable[Node]) -> int:
    """Return the bytes of the weights of a group: the base once, and each adapter once."""
    base, adapters = 0, dict[str, int]()
    for node in group:
        card, model = card_of(graph, node), checkpoint_of(node)
        base = max(base, (card.bytes or 0) - card.adapter_bytes)
        if card.adapter_bytes and (adapter := model.weights.adapter) is not None:
            adapters[adapter.content_key] = card.adapter_bytes
    return base + sum(adapters.values())


def planned_sharing(
    graph: Graph, groups: Iterable[list[Node]], ids: Mapping[Node, str]
) -> Iterator[PlannedSharing]:
    """Yield the models that share a base under adapters, and the memory that this saves."""
    for group in groups:
        cards = [card_of(graph, node) for node in group]
        if len(group) > 1 and any(card.adapter_bytes for card in cards):
            yield PlannedSharing(
                models=tuple(ids[node] for node in group),
                bytes=group_bytes(graph, group),
                apart=sum(card.bytes or 0 for card in cards),
            )

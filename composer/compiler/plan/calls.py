"""How often steps ask their models, where that follows from the number of answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph.graph import Graph
from composer.compiler.graph.site import GraphFacts
from composer.compiler.plan.plan import PlannedCalls

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from composer.compiler.graph import Node

__all__ = ["planned_calls"]


def planned_calls(order: Iterable[Node], ids: Mapping[Node, str]) -> Iterator[PlannedCalls]:
    """Yield what each step that says so takes of each of its models."""
    facts = GraphFacts(Graph())
    for node in order:
        if node.is_query:
            continue
        site, calls = facts.learn(node), node.step.hooks.calls
        most = None if calls is None else calls(site)
        if most:
            for model in site.models:
                yield PlannedCalls(step=ids[node], model=model.name, most=most)

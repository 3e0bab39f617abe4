"""A plan that is ready to run: its graph, and what all its queries share (`walk.py` runs it)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.compiler.graph import Node, topological
from composer.run.token_details import details_for_signals
from composer.values import (
    Port,
    Typed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composer.compiler.plan import Apart
    from composer.run.metered_client import RunContext
    from composer.steps import Input
    from composer.values import Value
    from composer.values.details import TokenDetail


@dataclass(eq=False)
class Program:
    """A graph that is ready to run: node names from the plan, and what is shared by all queries.

    `options` are those of each node, with parts that may keep a state while the program is open.
    `inputs` has for each node its inputs: the name in traces, the step's input, the source node.
    `details` is what steps want to know of each token that is written, because a signal reads it.
    `fixed` nodes do not depend on the query; their values are kept in `constants`.
    """

    root: Node
    ids: Mapping[Node, str]
    context: RunContext
    seed: int = 0
    constants: dict[Node, Value] = field(default_factory=dict)
    fixed: frozenset[Node] = frozenset()
    options: Mapping[Node, Mapping[str, object]] = field(default_factory=dict, repr=False)
    inputs: Mapping[Node, tuple[tuple[str, Input, Node], ...]] = field(init=False, repr=False)
    details: Mapping[Node, TokenDetail] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.options = self.options or {node: _opened_options(node) for node in self.ids}
        self.inputs = {node: tuple(_named_inputs(node, self.ids)) for node in self.ids}
        self.details = details_for_signals(self.root)
        varying: set[Node] = set()
        for node in topological(self.root):
            if node.is_query or any(source in varying for source in node.inputs):
                varying.add(node)
        self.fixed = frozenset(node for node in self.ids if node not in varying)

    def apart(self, graph: Apart) -> Program:
        """Return the program of a graph in which greedy work is apart; they share what they keep.

        A node is named as its like in the plan, with a mark from the second one on.
        """
        ids: dict[Node, str] = {}
        options: dict[Node, Mapping[str, object]] = {}
        for node in topological(graph.root):
            like = graph.planned[node]
            ids[node] = self.ids[like] + "'" * sum(graph.planned[each] is like for each in ids)
            kept = self.options[like]
            options[node] = {**kept, "draw": node.get("draw")} if "draw" in kept else kept
        return Program(graph.root, ids, self.context, self.seed, options=options)


def _opened_options(node: Node) -> dict[str, object]:
    """Return the options of a node, with `begin` called on its parts."""
    values = node.values().items()
    return {name: value.begin() if isinstance(value, Typed) else value for name, value in values}


def _named_inputs(node: Node, ids: Mapping[Node, str]) -> Iterator[tuple[str, Input, Node]]:
    """Yield the inputs of a node: the name, the input of the step, the source node."""
    if node.is_query:
        return
    names = node.get("names") if node.step.gathers else [_name(e, ids) for e in node.inputs]
    for name, (input_, source) in zip(names, node.paired(), strict=True):
        yield name, input_, source


def _name(node: Node, ids: Mapping[Node, str]) -> str:
    """Name a branch by the model that it asks, else by its place in the plan."""
    asks = node.asks
    return ids[node] if asks is None or asks.declaration is None else asks.title


def can_stream(root: Node) -> bool:
    """Say whether a recipe's answer comes piece by piece."""
    return not root.is_query and root.step.streams and root.port is Port.TEXT

"""Recipes whose answer a model writes from the answers of a panel: what stands between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.compiler.graph import topological
from composer.compiler.graph.graph import Graph
from composer.compiler.graph.site import GraphFacts
from composer.values import Port

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.compiler.graph import Node

__all__ = ["Synthesis", "synthesis_of"]

SEVERAL = frozenset({Port.CANDIDATES, Port.RANKING})


@dataclass(frozen=True)
class Synthesis:
    """The step by which a model writes the answer, and the panel whose answers it reads.

    `between` are the steps from the panel to the writer, first to last: those that order, score or
    analyse, and a prompt. `after` are those that read a value out of what was written, last first.
    """

    panel: Node
    between: tuple[Node, ...]
    writer: Node
    after: tuple[Node, ...]

    @property
    def model(self) -> Node:
        """The model that writes."""
        return next(each for each in self.writer.direct_inputs if each.port is Port.MODEL)

    @property
    def plain(self) -> tuple[Node, ...]:
        """The steps between that neither score nor ask: orders, readers, a prompt."""
        return tuple(each for each in self.between if _is_plain(each))

    @property
    def calls(self) -> int | None:
        """How many calls follow after the panel, None where that is not known."""
        facts, total = GraphFacts(Graph()), 0
        for node in topological(self.writer):
            if node.is_query:
                continue
            site, hook = facts.learn(node), node.step.hooks.calls
            if node is self.writer or node in self.between:
                each = 1 if hook is None else hook(site)
                if each is None and node is self.writer:
                    each = 1
                if each is None and site.models:
                    return None
                total += (each or 0) * len(site.models)
        return total

    def over(self, graph: Graph, panel: Node, between: Sequence[Node]) -> Node:
        """Let the writer read another panel, or the same one through other steps."""
        node = panel
        for each in (*between, self.writer):
            node = graph.replaced(each, (node, *each.direct_inputs[1:]))
        return self.read(graph, node)

    def read(self, graph: Graph, node: Node) -> Node:
        """Read the value out of an answer that the recipe reads."""
        for each in reversed(self.after):
            node = graph.replaced(each, (node,))
        return node


def synthesis_of(answer: Node | None) -> Synthesis | None:
    """Return the synthesis that gives an answer, None where it is made in another way."""
    after: list[Node] = []
    while answer is not None and not answer.is_query and _reads(answer):
        after.append(answer)
        answer = answer.direct_inputs[0]
    if answer is None or answer.is_query or answer.port is not Port.TEXT or not _writes(answer):
        return None
    between: list[Node] = []
    node = answer.direct_inputs[0]
    while _passes_on(node):
        between.append(node)
        node = node.direct_inputs[0]
    if node.port not in SEVERAL:
        return None
    return Synthesis(node, tuple(reversed(between)), answer, tuple(after))


def _reads(node: Node) -> bool:
    return node.step.gives_same and len(node.direct_inputs) == 1


def _writes(node: Node) -> bool:
    models = [each for each in node.direct_inputs if each.port is Port.MODEL]
    wired = node.step.wire is not None and not node.direct_inputs[0].is_query
    return wired and len(models) == 1 and not node.step.selects


def _passes_on(node: Node) -> bool:
    """Say whether a step hands several answers on: it is given them, and nothing but models."""
    if node.is_query or node.step.wire is None or node.port not in SEVERAL | {Port.QUERY}:
        return False
    first, *others = node.direct_inputs
    return first.port in SEVERAL and all(each.port is Port.MODEL for each in others)


def _is_plain(node: Node) -> bool:
    takes = frozenset() if node.step.wire is None else node.step.wire.ports
    models = any(each.port is Port.MODEL for each in node.inputs)
    return not models and Port.CANDIDATES in takes and node.port is not Port.RANKING

"""What is known of each step's value before anything runs, learned inputs first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.ports import Port

if TYPE_CHECKING:
    from composer.compiler.graph.node import Node

CHOOSERS = ("rank", "select")
"""Steps that ask models about answers, and hand on those that others wrote."""


@dataclass(eq=False, slots=True)
class Facts:
    """For each step: how many answers it gives, if that is known; who wrote them; who voted.

    `writers` are the models that may have written an answer. `voted` are the steps whose answer
    a vote has chosen. Equal groups of writers are one tuple, so that long chains stay cheap.
    """

    counts: dict[Node, int | None] = field(default_factory=dict)
    writers: dict[Node, tuple[Node, ...]] = field(default_factory=dict)
    voted: set[Node] = field(default_factory=set)

    def learn(self, node: Node) -> None:
        """Note what is known of a node whose inputs are known."""
        models = tuple(each for input_, each in node.paired() if input_.is_model)
        writes = bool(models) and node.op not in CHOOSERS
        self.counts[node] = self._count(node)
        self.writers[node] = models if writes else self._handed_on(node)
        if node.op == "vote" or (not writes and any(each in self.voted for each in node.inputs)):
            self.voted.add(node)

    def wrote(self, node: Node) -> tuple[Node, ...]:
        """Return the models that may have written a value."""
        return self.writers.get(node, ())

    def _handed_on(self, node: Node) -> tuple[Node, ...]:
        """Return who wrote what a step hands on; a query or a decision was written by nobody."""
        if node.port in (Port.QUERY, Port.DECISION):
            return ()
        groups = [self.wrote(each) for each in node.inputs]
        largest = max(groups, key=len, default=())
        everyone = dict.fromkeys(writer for group in [largest, *groups] for writer in group)
        return largest if len(everyone) == len(largest) else tuple(everyone)

    def _count(self, node: Node) -> int | None:
        if node.port is Port.TEXT:
            return 1
        match node.op:
            case "bank":
                counts = [self.counts[branch] for branch in node.inputs]
                return None if None in counts else sum(filter(None, counts))
            case "sample":
                return int(node.get("n"))
            case "extract" | "rank":
                return self.counts[node.inputs[0]]
            case "top":
                count, k = self.counts[node.inputs[0]], int(node.get("k"))
                return None if count is None else min(count, k)
            case _:
                return None

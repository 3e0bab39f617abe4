"""The kind of parts that search, and the tree of partial answers that they search in."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.methods.rewards.base import PartialAnswer
from composer.values.typed import Typed

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Node", "Search", "SearchTree"]


@dataclass(eq=False, slots=True)
class Node:
    """A partial answer in a tree, and what a search knows of it.

    `whole` is the answer when it is complete: the partial answer itself if that is over, or its
    simulated end. `reward` is that of `whole`, or of the partial answer; NaN if there is none. A
    search that counts keeps `visits`, the `value`, and whether nothing below is left to do
    (`closed`).
    """

    partial: PartialAnswer = field(default_factory=PartialAnswer)
    parent: Node | None = None
    reward: float = math.nan
    whole: PartialAnswer | None = None
    children: list[Node] = field(default_factory=list)
    visits: int = 0
    value: float = math.nan
    closed: bool = False

    @property
    def path(self) -> list[Node]:
        """The nodes from this one up to the root."""
        node: Node | None = self
        nodes = []
        while node is not None:
            nodes.append(node)
            node = node.parent
        return nodes


class SearchTree(ABC):
    """Partial answers of one query; each node's children go on with one more step.

    An answer has at most `depth` steps. `made` are all nodes but the root, in the order in which
    they were made.
    """

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.root = Node()
        self.made: list[Node] = []

    @abstractmethod
    async def grow(self, nodes: Sequence[Node], draws: int, *, simulate: bool = False) -> bool:
        """Give open nodes their children; False where the budget is spent, and nothing was done.

        Each writer draws `draws` next steps of each node. With `simulate` the answer of each child
        is written to its end, and the reward is that of the whole answer.
        """

    def add(
        self, parent: Node, partial: PartialAnswer, reward: float, whole: PartialAnswer | None
    ) -> None:
        """Add a child. A reward that is infinite counts as none."""
        score = reward if math.isfinite(reward) else math.nan
        node = Node(partial, parent, score, whole, value=score)
        parent.children.append(node)
        self.made.append(node)

    def is_open(self, node: Node) -> bool:
        """Whether a node can be continued: not complete, not too deep, and with a reward."""
        if node.partial.over or len(node.partial.steps) >= self.depth:
            return False
        return node.parent is None or not math.isnan(node.reward)

    def best(self) -> Node | None:
        """Return the complete answer with the highest reward, the first of equals."""
        complete = (n for n in self.made if n.whole is not None and not math.isnan(n.reward))
        return max(complete, key=lambda node: node.reward, default=None)


class Search(Typed):
    """Which partial answers are continued, and when the search ends."""

    @abstractmethod
    async def run(self, tree: SearchTree) -> Node:
        """Grow a tree until the search ends.

        Returns the node where it stands, which is the answer if the tree has no complete one.
        """

"""Monte Carlo tree search: rollouts go where steps were good, and where few have been tried."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from composer.methods.searches.base import Search
from composer.methods.searches.beams import beam_search

if TYPE_CHECKING:
    from composer.methods.searches.base import Node, SearchTree

__all__ = ["Tree", "uct"]


class Tree(Search):
    """Monte Carlo tree search, with `rollouts` of one expansion each.

    A rollout goes down from the root, at each node to the child with the highest UCT: value +
    `explore` sqrt(ln(visits of the node) / visits of the child). At the leaf each writer draws
    `draws` next steps; each new node has its reward as value and counts as one visit. Then values
    are updated up to the root. With `backup = max` the value of a node is that of its best child
    (LE-MCTS), with `mean` the mean over all visits below it. If rewards are not between 0 and 1,
    the range of all rewards so far, with 0 and 1, is scaled to that. Nodes below which all is
    complete are not visited again.

    `batch` leaves are expanded side by side: fewer turns, but each knows less of the others. With
    `simulate` the writer of a new step also writes the answer to its end, greedily, and the reward
    is that of the whole answer: for rewards that know only whole answers. If no answer is complete
    after the last rollout, the best leaf is continued as by `greedy`.
    """

    name: ClassVar[str] = "tree"
    paper: ClassVar[str] = "arXiv:2412.15797"

    rollouts: int = Field(default=16, ge=1)
    explore: float = Field(default=1.4, ge=0)
    draws: int = Field(default=1, ge=1)
    backup: Literal["max", "mean"] = "max"
    batch: int = Field(default=1, ge=1)
    simulate: bool = False

    async def run(self, tree: SearchTree) -> Node:
        """Do the rollouts, as long as there is a leaf to expand and a budget."""
        left = self.rollouts
        while left and (leaves := self._leaves(tree, min(left, self.batch))):
            if not await tree.grow(leaves, self.draws, simulate=self.simulate):
                break
            for leaf in leaves:
                self._back_up(tree, leaf)
            left -= len(leaves)
        best = tree.best() or _best_leaf(tree.root)
        if best.whole is not None or best.children:  # complete, or nothing below has a reward
            return best
        return await beam_search(tree, best, 1, self.draws)

    def _leaves(self, tree: SearchTree, count: int) -> list[Node]:
        """Select up to `count` different leaves, each by UCT from the root."""
        scale = _scale(tree)
        leaves: list[Node] = []
        while len(leaves) < count and not tree.root.closed:
            node = tree.root
            while node.children:
                parent, going = node, [child for child in node.children if not child.closed]
                node = max(going, key=lambda child: uct(parent, child, self.explore, scale))
            leaves.append(node)
            node.closed = True  # for the leaf that is selected next
            for above in node.path[1:]:
                above.closed = all(child.closed for child in above.children)
        return leaves

    def _back_up(self, tree: SearchTree, leaf: Node) -> None:
        """Count the children of a leaf, and update all nodes above them."""
        for child in leaf.children:
            child.visits, child.closed = 1, not tree.is_open(child)
        for node in leaf.path:
            node.visits = 1 + sum(child.visits for child in node.children)
            node.closed = all(child.closed for child in node.children)
            node.value = self._value(node)

    def _value(self, node: Node) -> float:
        """Return the value of a node by its children's; NaN if none has one."""
        scored = [child for child in node.children if not math.isnan(child.value)]
        if not scored:
            return math.nan
        if self.backup == "max":
            return max(child.value for child in scored)
        visits = sum(child.visits for child in scored)
        return math.fsum(child.value * child.visits for child in scored) / visits


def uct(
    parent: Node, child: Node, explore: float, scale: tuple[float, float] = (0.0, 1.0)
) -> float:
    """Return the upper confidence bound of a child; infinite if it was never visited.

    `scale` are the values that count as 0 and as 1.
    """
    if not child.visits:
        return math.inf
    low, high = scale
    value = (child.value - low) / (high - low)
    return value + explore * math.sqrt(math.log(parent.visits) / child.visits)


def _scale(tree: SearchTree) -> tuple[float, float]:
    """Return the range of all rewards so far, with 0 and 1."""
    rewards = [node.reward for node in tree.made if not math.isnan(node.reward)]
    return min(0.0, *rewards, 0.0), max(1.0, *rewards, 1.0)


def _best_leaf(root: Node) -> Node:
    """Go down to a leaf, at each node to the child with the highest value."""
    node = root
    while scored := [child for child in node.children if not math.isnan(child.value)]:
        node = max(scored, key=lambda child: child.value)
    return node

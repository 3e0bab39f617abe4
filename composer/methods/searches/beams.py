"""Searches level by level: the best partial answers are continued, all others are given up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.methods.searches.base import Search

if TYPE_CHECKING:
    from composer.methods.searches.base import Node, SearchTree

__all__ = ["Beam", "Greedy"]


class Greedy(Search):
    """The next step with the highest reward is kept, and nothing else.

    Each writer draws it `draws` times.
    """

    name: ClassVar[str] = "greedy"
    paper: ClassVar[str] = "arXiv:2305.20050"

    draws: int = Field(default=1, ge=1)

    async def run(self, tree: SearchTree) -> Node:
        """Search with a beam of one."""
        return await beam_search(tree, tree.root, 1, self.draws)


class Beam(Search):
    """The `width` best partial answers are continued, until all of them are complete.

    Each writer draws `draws` next steps of each.
    """

    name: ClassVar[str] = "beam"
    paper: ClassVar[str] = "arXiv:2408.03314"

    width: int = Field(default=2, ge=1)
    draws: int = Field(default=4, ge=1)

    async def run(self, tree: SearchTree) -> Node:
        """Search from the root."""
        return await beam_search(tree, tree.root, self.width, self.draws)


async def beam_search(tree: SearchTree, start: Node, width: int, draws: int) -> Node:
    """Keep the best partial answers below a node, level by level; return the best of the last."""
    beam = [start]
    while open_nodes := [node for node in beam if tree.is_open(node)]:
        if not await tree.grow(open_nodes, draws):
            break
        candidates = [child for node in open_nodes for child in node.children]
        candidates += [node for node in beam if node.partial.over]
        scored = [node for node in candidates if not math.isnan(node.reward)]
        beam = sorted(scored, key=lambda node: -node.reward)[:width] or beam[:1]
        if not scored:
            break
    return beam[0]

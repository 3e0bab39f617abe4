"""Rules of the pass `share`: equal work is done once, and members run together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph.capabilities import (
    checkpoint_of,
    checkpoints_in,
    memory_of,
    vocabulary,
)
from composer.compiler.rules.rewrite import pattern, rule

if TYPE_CHECKING:
    from composer.compiler.graph import Graph, Node


@rule(pattern("token_fuse", name="fuse", together=False))
def one_forward(graph: Graph, node: Node, fuse: Node) -> Node | None:
    """Members of one base, under several prompts or adapters, are rows of one forward pass."""
    del fuse
    leaves = (leaf for member in node.inputs for leaf in checkpoints_in(member))
    weights = [memory_of(checkpoint_of(leaf)) for leaf in leaves]
    return graph.replaced(node, together=True) if len(set(weights)) < len(weights) else None


@rule(pattern("token_fuse", name="fuse"))
def one_vocabulary(graph: Graph, node: Node, fuse: Node) -> Node | None:
    """Members that share a tokenizer, by content, are fused without any alignment."""
    from composer.methods import Shared

    del fuse
    if not node.get("align").vanishes or vocabulary(graph, node) is None:
        return None
    return graph.replaced(node, align=Shared())


@rule(pattern("token_fuse", name="fuse", lazy=False))
def lazy_members(graph: Graph, node: Node, fuse: Node) -> Node | None:
    """Behind a gate the members after the first read only where it opens, and catch up at once."""
    del fuse
    return None if node.get("gate") is None else graph.replaced(node, lazy=True)


@rule(pattern("generate", name="generate", temperature=0.0))
def greedy_once(graph: Graph, node: Node, generate: Node) -> Node | None:
    """Greedy work with equal inputs is one node, done once; sampled work is not."""
    del generate
    return graph.replaced(node, draw=0) if node.get("draw") and graph.occurs_again(node) else None

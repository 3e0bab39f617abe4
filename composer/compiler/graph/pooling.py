"""Which models share a pool on a cluster, and what is wrong with what a recipe says of pools.

Members of one fused model are asked together at every token, and a token never crosses machines: so
they are in one pool. So are models that have their weights in memory together.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from composer.compiler.graph.capabilities import checkpoint_of, checkpoints_in, memory_of
from composer.compiler.graph.node import topological
from composer.diagnostics import Diagnostic, Note
from composer.steps.asking import CLUSTER
from composer.values import Port

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping

    from composer.compiler.graph.graph import Graph
    from composer.compiler.graph.node import Node
    from composer.diagnostics import Place

__all__ = [
    "asked_models",
    "cluster_option",
    "held_in_pools",
    "pool_groups",
    "pool_mistakes",
    "speaks_of_clusters",
]

STEP = "a message takes 5 to 28 ms, a forward pass of two small models 8 ms"
"""Measured between two actors of Ray on one machine, at each token of a fuse."""

UNLIKE = {
    "replicas": (
        "E411",
        "{names} ask for different numbers of `replicas`, but they are in one pool: {why}",
        "give both the same number, or give a number to one of them only",
    ),
    "resources": (
        "E307",
        (
            "{names} ask for different machines by their `resources`, but they must be on one: "
            f"{{why}}. No token crosses machines: {STEP}"
        ),
        (
            "give both the same `resources`, or give some to one of them only; models on different "
            "machines can give whole answers: `[A, B] -> vote()`"
        ),
    ),
}
"""The options on which models of a pool must agree where they give them, and what is said else."""


def asked_models(root: Node) -> list[Node]:
    """Return the models that steps ask, each once; what these are made of is not asked."""
    steps = (node for node in topological(root) if node.port is not Port.MODEL)
    asked = (each for node in steps for each in node.inputs if each.port is Port.MODEL)
    return list(dict.fromkeys(asked))


def held_in_pools(model: Node) -> bool:
    """Whether a pool can hold all of a model: no member is behind a server or a recording."""
    return all(checkpoint_of(leaf).has_weights for leaf in checkpoints_in(model))


def pool_groups(root: Node) -> list[list[Node]]:
    """Group the declared and derived models that pools hold, in the order of the steps."""
    asked = [list(checkpoints_in(each)) for each in asked_models(root) if held_in_pools(each)]
    bases: dict[Hashable, list[Node]] = {}
    for leaf in (leaf for leaves in asked for leaf in leaves):
        bases.setdefault(memory_of(checkpoint_of(leaf)), []).append(leaf)
    return _joined([*asked, *bases.values()])


def _joined(groups: Iterable[Iterable[Node]]) -> list[list[Node]]:
    """Join groups that have a model in common."""
    joined: list[dict[Node, None]] = []
    for group in map(dict.fromkeys, groups):
        met = [other for other in joined if other.keys() & group.keys()]
        at = joined.index(met[0]) if met else len(joined)
        joined = [other for other in joined if other not in met]
        joined.insert(at, dict.fromkeys(node for other in (*met, group) for node in other))
    return [list(group) for group in joined]


def cluster_option(node: Node, option: str) -> object:
    """Return an option of a model's copies; those of a derived model are its first donor's."""
    return _declared(node).get(option)


def speaks_of_clusters(node: Node) -> bool:
    """Whether a node is a declared model whose options say where its copies run."""
    return node.declaration is not None and any(node.get(name) is not None for name in CLUSTER)


def _declared(node: Node) -> Node:
    while node.declaration is None:
        node = node.inputs[0]
    return node


def pool_mistakes(graph: Graph, declared: Mapping[Node, Place], root: Node) -> Iterator[Diagnostic]:
    """Yield the models of one pool that ask for different numbers of replicas, or machines."""
    for pool in pool_groups(root):
        for option, (code, text, help_) in UNLIKE.items():
            given = [node for node in pool if cluster_option(node, option) is not None]
            for pair in pairwise(dict.fromkeys(map(_declared, given))):
                if len({_compared(each.get(option)) for each in pair}) > 1:
                    first, second = (_written(graph, declared, each, option) for each in pair)
                    names = " and ".join(f"`{each.title}`" for each in pair)
                    said = text.format(names=names, why=_why(root, *pair))
                    notes = (Note(first, "asks for something else"),) if first else ()
                    yield Diagnostic(code, said, second, "unlike the first", notes, help_)


def _compared(value: object) -> object:
    """Return what must be equal: the bounds of replicas, the names of resources."""
    if isinstance(value, tuple):
        return frozenset(each[0] if isinstance(each, tuple) else each for each in value)
    return frozenset({value})


def _why(root: Node, one: Node, other: Node) -> str:
    """Say why two models are in one pool."""
    for model in asked_models(root):
        if {one, other} <= {_declared(leaf) for leaf in checkpoints_in(model)}:
            return f"`{model.underlying.title}` writes with both"
    return "other models write with both, or share their weights"


def _written(graph: Graph, declared: Mapping[Node, Place], node: Node, option: str) -> Place | None:
    """Return where an option was written, else where its model was declared."""
    return graph.origins.get(node, {}).get(option) or declared.get(node)

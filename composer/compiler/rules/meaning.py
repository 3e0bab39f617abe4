"""Rules of the pass `meaning`: they settle what a recipe says, and always run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph.choices import choices
from composer.compiler.rules.rewrite import pattern, rule
from composer.values.flow import unique

if TYPE_CHECKING:
    from composer.compiler.graph import Graph, Node


@rule(pattern("bank", pattern("*", name="branch")))
def lone_branch(graph: Graph, node: Node, branch: Node) -> Node:
    """A bank of one branch is that branch."""
    del graph, node
    return branch


WIDEST = 64
"""Branches beyond which nested banks stay nested: there is little to gain, and names grow."""


@rule(pattern("bank", name="outer"))
def flat_banks(graph: Graph, node: Node, outer: Node) -> Node | None:
    """A bank inside a bank gives its candidates to the outer one.

    Which of them answered is counted over all, so that is part of what a recipe means.
    """
    nested = {inner for inner in outer.inputs if _joins(inner, outer)}
    width = sum(len(inner.inputs) if inner in nested else 1 for inner in outer.inputs)
    if not nested or width > WIDEST:
        return None
    inputs: list[Node] = []
    names: list[str] = []
    for name, branch in zip(node.get("names"), node.inputs, strict=True):
        inside = branch in nested
        inputs += branch.inputs if inside else (branch,)
        names += [f"{name}.{inner}" for inner in branch.get("names")] if inside else [name]
    return graph.replaced(node, tuple(inputs), names=unique(names))


def _joins(branch: Node, outer: Node) -> bool:
    """Say whether a branch is a bank that asks for as many answers."""
    return branch.op == outer.op and branch.get("min") == outer.get("min")


@rule(
    pattern(
        "choose",
        pattern("route", name="route"),
        pattern("generate", pattern("*", name="query"), pattern("*", name="fuse"), name="branch"),
    )
)
def route_into_members(  # noqa: PLR0913 - what the pattern names
    graph: Graph, node: Node, route: Node, branch: Node, query: Node, fuse: Node
) -> Node | None:
    """A route whose bank is one fused branch weighs that branch's members."""
    del node
    if not fuse.step.weighed:
        return None
    names = fuse.get("names")
    choice_facts = choices(fuse.direct_inputs, fuse.direct_inputs)
    judges = route.direct_inputs[len(route.direct_inputs) - route.get("judges") :]
    inputs = (query, *fuse.direct_inputs, *judges)
    inner = graph.replaced(route, inputs, names=names, fused=True, **choice_facts)
    weighed = graph.node("weigh", (fuse, inner), None, graph.places.get(fuse))
    return graph.replaced(branch, (query, weighed))


@rule(pattern("choose", pattern("route"), pattern("*", name="branch")))
def lone_choice(graph: Graph, node: Node, branch: Node) -> Node:
    """A route that feeds one branch has nothing to decide."""
    del graph, node
    return branch

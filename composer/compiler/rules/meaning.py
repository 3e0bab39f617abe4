"""Rules that settle what a recipe says. They always run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph.routes import choices
from composer.compiler.rules.rewrite import pattern, rule

if TYPE_CHECKING:
    from composer.compiler.graph import Graph, Node


@rule(pattern("bank", pattern("*", name="branch")))
def lone_branch(graph: Graph, node: Node, branch: Node) -> Node:
    """A bank of one branch is that branch."""
    del graph, node
    return branch


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
    told = choices(fuse.given)
    judges = route.given[len(route.given) - route.get("judges") :]
    given = (query, *fuse.given, *judges)
    inner = graph.replaced(route, given, names=names, fused=True, **told)
    weighed = graph.node("weigh", (fuse, inner), None, graph.places.get(fuse))
    return graph.replaced(branch, (query, weighed))


@rule(pattern("choose", pattern("route"), pattern("*", name="branch")))
def lone_choice(graph: Graph, node: Node, branch: Node) -> Node:
    """A route that feeds one branch has nothing to decide."""
    del graph, node
    return branch

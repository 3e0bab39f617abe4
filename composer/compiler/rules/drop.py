"""Rules of the pass `drop`: they leave out what cannot matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.rules.rewrite import pattern, rule
from composer.methods import Constant, One, Uniform
from composer.values import Port
from composer.values.flow import unique

if TYPE_CHECKING:
    from composer.compiler.graph import Graph, Node


@rule(pattern("generate", pattern("*", name="query"), pattern("token_fuse", name="fuse")))
def weightless_members(graph: Graph, node: Node, query: Node, fuse: Node) -> Node | None:
    """A member of weight 0 adds nothing to the fused distribution and is not run."""
    weights = fuse.get("weights")
    if weights is None or all(weights) or not any(weights):
        return None
    leads = fuse.get("gate") is not None or fuse.get("draft") is not None
    indices = [at for at, weight in enumerate(weights) if weight or (leads and at == 0)]
    if len(indices) == len(weights):
        return None
    slim = graph.replaced(
        fuse,
        tuple(fuse.direct_inputs[at] for at in indices),
        weights=tuple(weights[at] for at in indices),
        names=tuple(fuse.get("names")[at] for at in indices),
    )
    return graph.replaced(node, (query, slim))


@rule(pattern("choose", name="bank"))
def never_chosen(graph: Graph, node: Node, bank: Node) -> Node | None:
    """A route whose estimates are all equal always takes its first branch; the others go."""
    del graph, bank
    options = node.inputs[0].values()
    policy = options.get("policy")
    settled = isinstance(options.get("by"), Uniform) and isinstance(policy, One | None)
    priced = policy is not None and getattr(policy, "cost", 0) > 0
    return node.inputs[1] if settled and not priced else None


@rule(pattern("cascade", name="stages"))
def settled_cascade(graph: Graph, node: Node, stages: Node) -> Node | None:
    """A cascade that accepts every answer asks a later stage only where one fails: a fallback."""
    del stages
    rule_ = node.get("accept").expression
    if not (isinstance(rule_, Constant) and rule_.value is True):
        return None
    attempts = node.inputs[1:] if node.inputs[0].port is Port.QUERY else node.inputs
    names = unique(attempt.asks.title if attempt.asks else attempt.title for attempt in attempts)
    return graph.node("fallback", attempts, {"names": names}, graph.places.get(node))

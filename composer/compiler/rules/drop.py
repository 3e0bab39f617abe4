"""Rules of the pass `drop`: they leave out what cannot matter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph.node import model_of
from composer.compiler.graph.site import count_of
from composer.compiler.rules.rewrite import pattern, rule
from composer.methods import Constant, One, Rule, Uniform
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
    accept = node.get("accept")
    if not (isinstance(accept, Rule) and accept.expression == Constant(value=True)):
        return None
    if node.get("carry") is not None:
        return None
    attempts = node.inputs[1:] if node.inputs[0].port is Port.QUERY else node.inputs
    names = unique(attempt.asks.title if attempt.asks else attempt.title for attempt in attempts)
    return graph.node("fallback", attempts, {"names": names}, graph.places.get(node))


@rule(pattern("vote", pattern("*", name="answers")))
def early_vote(graph: Graph, node: Node, answers: Node) -> Node | None:
    """A vote that may stop early asks in order, until no vote that is to come can change who wins.

    Those that must be asked in any case are asked side by side, so that draws of one model stay one
    request. What reads a value out of each answer does so as soon as the answer is there. Draws
    that another step reads too are drawn at once, for nothing would be saved.
    """
    if node.get("until") is None or node.holds:
        return None
    readers, source = [], answers
    while not source.is_query and source.step.reads:
        readers.append(source)
        source = source.inputs[0]
    turns = _turns(graph, source, readers)
    if turns is None:
        return None
    names, branches = turns
    sizes = [count_of(branch) for branch in branches]
    if None in sizes:
        return None
    for reader in reversed(readers):
        branches = [graph.replaced(reader, (branch,)) for branch in branches]
    shared = ("by", "reduce", "weights", "ties", "routed", "until")
    options = {option: node.get(option) for option in shared}
    options |= {"names": names, "sizes": tuple(sizes), "min": source.get("min")}
    first = source.inputs[0] if source.op == "choose_many" else node.origin
    assert first is not None
    return graph.node("poll", (first, *branches), options, graph.places.get(node))


def _turns(
    graph: Graph, source: Node, readers: list[Node]
) -> tuple[tuple[str, ...], list[Node]] | None:
    """Return the names and the branches that are asked in turn, None where all come at once."""
    if source.op == "bank":
        return source.get("names"), list(source.inputs)
    if source.op == "choose_many":
        return source.get("names"), list(source.inputs[1:])
    alone = all(graph.readers(node) == 1 for node in (source, *readers))
    if source.op != "sample" or source.get("only") or not alone:
        return None
    draws = range(1, source.get("n") + 1)
    names = unique(model_of(source.inputs[1]).name for _ in draws)
    return names, [graph.replaced(source, only=draw) for draw in draws]

"""Rules of the pass `flatten`: nested votes and fuses become one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.compiler.graph import topological
from composer.compiler.rules.meaning import WIDEST
from composer.compiler.rules.rewrite import pattern, rule
from composer.values import Port
from composer.values.flow import unique

if TYPE_CHECKING:
    from composer.compiler.graph import Graph, Node


@rule(pattern("vote", pattern("bank", name="bank"), soft=True))
def flat_votes(graph: Graph, node: Node, bank: Node) -> Node | None:
    """A soft vote over soft votes is one vote, with the weights multiplied.

    The shares are linear in the ballots as long as nobody can abstain, both votes compare answers
    in one way, and no bank goes on without a branch that failed.
    """
    width = sum(
        len(inner.inputs) if (inner := _inner_vote(node, bank, branch_)) else 1
        for branch_ in bank.inputs
    )
    if not len(bank.inputs) < width <= WIDEST:
        return None
    if any(branch_.port is not Port.TEXT for branch_ in bank.inputs) or not _linear(node):
        return None
    if bank.get("min") != "all":
        return None
    weights = node.get("weights") or (1.0,) * len(bank.inputs)
    inputs: list[Node] = []
    names: list[str] = []
    flat: list[float] = []
    for name, weight, branch in zip(bank.get("names"), weights, bank.inputs, strict=True):
        inner = _inner_vote(node, bank, branch)
        if inner is None:
            inputs, names, flat = [*inputs, branch], [*names, name], [*flat, weight]
            continue
        inner_weights = branch.get("weights") or (1.0,) * len(inner.inputs)
        inputs += inner.inputs
        names += [f"{name}.{inner_name}" for inner_name in inner.get("names")]
        flat += [weight * inner_weight / sum(inner_weights) for inner_weight in inner_weights]
    flat_bank = graph.replaced(bank, tuple(inputs), names=unique(names))
    return graph.replaced(node, (flat_bank,), weights=tuple(flat))


def _may_abstain(node: Node) -> bool:
    """Say whether an answer from here may be none."""
    if node.declaration is not None:
        return node.declaration.may_abstain
    return not node.is_query and node.step.may_abstain


def _linear(vote: Node) -> bool:
    """Say whether a vote counts voices that cannot abstain and are either equal or not."""
    from composer.methods import Count, Exact, Surest

    counted = isinstance(vote.get("reduce"), Count) and isinstance(vote.get("by"), Exact)
    if not counted or isinstance(vote.get("ties"), Surest):
        return False
    return not any(_may_abstain(node) for node in topological(vote))


def _inner_vote(outer: Node, around: Node, branch: Node) -> Node | None:
    """Return the bank of a vote that may be counted together with an outer one over a bank."""
    if branch.step is not outer.step or not branch.get("soft"):
        return None
    alike = all(branch.get(option) == outer.get(option) for option in ("by", "reduce", "ties"))
    weights = branch.get("weights")
    positive = weights is None or all(weight > 0 for weight in weights)
    bank = branch.inputs[0]
    single = bank.step is around.step and all(node.port is Port.TEXT for node in bank.inputs)
    whole = single and bank.get("min") == around.get("min")
    return bank if alike and positive and whole else None


@rule(pattern("generate", pattern("*", name="query"), pattern("token_fuse", name="fuse")))
def flat_fuses(graph: Graph, node: Node, query: Node, fuse: Node) -> Node | None:
    """A token fuse inside a token fuse gives its members to the outer one, weights multiplied.

    Means of probabilities are linear; of log-probabilities the inner one's normalizer is the same
    for every token, so that it falls out.
    """
    members: list[tuple[Node, str, float]] = []
    outer = fuse.get("weights") or (1.0,) * len(fuse.direct_inputs)
    for member, name, weight in zip(fuse.direct_inputs, fuse.get("names"), outer, strict=True):
        members += _flat(fuse, member, name, weight)
    if len(members) == len(fuse.direct_inputs):
        return None
    aligns = (inner.get("align") for inner in fuse.direct_inputs if inner.step is fuse.step)
    wide = (align for align in aligns if align.whole and not align.alike)
    flat = graph.replaced(
        fuse,
        tuple(member for member, _, _ in members),
        names=unique(name for _, name, _ in members),
        weights=tuple(weight for *_, weight in members),
        align=next(wide, fuse.get("align")),
    )
    return graph.replaced(node, (query, flat))


def _pooled(fuse: Node) -> bool:
    """Say whether a fuse is a plain pool of probabilities or of log-probabilities."""
    blocking = ("weigh", "gate", "draft", "plausible", "leave")
    pools = fuse.get("combine").pools and fuse.get("align").whole
    return pools and not (fuse.holds or any(fuse.get(part) for part in blocking))


def _flat(outer: Node, member: Node, name: str, weight: float) -> list[tuple[Node, str, float]]:
    """Return a member as it is, or its own members if they may join the outer fuse."""
    if member.step is not outer.step or member.get("combine") != outer.get("combine"):
        return [(member, name, weight)]
    if not (_pooled(member) and _pooled(outer)):
        return [(member, name, weight)]
    aligned = not (member.get("align").alike and outer.get("align").alike)
    if member.get("combine").signed and aligned:
        return [(member, name, weight)]
    weights = member.get("weights") or (1.0,) * len(member.direct_inputs)
    if outer.get("normalize") and not member.get("normalize") and sum(weights) != 1:
        return [(member, name, weight)]  # the outer one would divide by another sum
    total = sum(weights) if member.get("normalize") else 1.0
    pairs = zip(member.direct_inputs, member.get("names"), weights, strict=True)
    return [
        (inner_member, f"{name}.{inner}", weight * w / total) for inner_member, inner, w in pairs
    ]

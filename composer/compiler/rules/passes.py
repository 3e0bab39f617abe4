"""The pass list: what happens to a recipe between its text and its plan, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.compiler.graph import topological
from composer.compiler.rules.drafting import drafted_fuse
from composer.compiler.rules.drop import (
    early_vote,
    never_chosen,
    settled_cascade,
    weightless_members,
)
from composer.compiler.rules.flatten import flat_fuses, flat_votes
from composer.compiler.rules.meaning import (
    flat_banks,
    lone_branch,
    lone_choice,
    route_into_members,
)
from composer.compiler.rules.rewrite import Pass, RuleUse
from composer.compiler.rules.share import greedy_once, lazy_members, one_forward, one_vocabulary
from composer.values import Port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.compiler.graph import Graph, Node

PASSES = (
    Pass("meaning", (lone_branch, flat_banks, route_into_members, lone_choice), meaning=True),
    Pass("drop", (weightless_members, never_chosen, settled_cascade, early_vote)),
    Pass("flatten", (flat_votes, flat_fuses)),
    Pass("share", (one_vocabulary, one_forward, lazy_members, greedy_once, drafted_fuse)),
)

APART = tuple(
    Pass(each.name, tuple(rule for rule in each.rules if rule is not greedy_once), each.meaning)
    for each in PASSES
)
"""The passes where greedy work may be sampled after all: each occurrence of it stays a node."""


def does_once(optimized: Optimized) -> bool:
    """Say whether work is done once because it is greedy."""
    return any(use.rule is greedy_once for use in optimized.fired)


def done_once(graph: Graph, root: Node) -> dict[Node, Node]:
    """Return what each node becomes where greedy work is done once."""
    return graph.rebuilt_nodes(root, lambda node: greedy_once.apply(graph, node) or node)


@dataclass(frozen=True, eq=False, slots=True)
class Optimized:
    """The graph after the passes, the rules that fired, and the graph after each pass.

    `answer` is the graph before them.
    """

    answer: Node
    root: Node
    fired: tuple[RuleUse, ...]
    after: tuple[tuple[Pass, Node, tuple[RuleUse, ...]], ...]
    plain: bool = False

    def __repr__(self) -> str:
        return f"Optimized({self.root!r}, {len(self.fired)} uses of rules)"


def optimize(
    graph: Graph, root: Node, *, plain: bool = False, passes: tuple[Pass, ...] = PASSES
) -> Optimized:
    """Run the passes over a graph; `plain` runs only those that settle the meaning."""
    answer = root
    fired: list[RuleUse] = []
    after = []
    for pass_ in passes:
        if pass_.meaning or not plain:
            log: list[RuleUse] = []
            root = pass_.run(graph, root, log)
            fired += log
            after.append((pass_, root, tuple(log)))
    return Optimized(answer, root, tuple(fired), tuple(after), plain)


def illegal(root: Node) -> list[str]:
    """Return everything that is wrong with a graph; nothing, for a legal one."""
    return [text for node in topological(root) if not node.is_query for text in _wrong(node)]


def _wrong(node: Node) -> Iterator[str]:
    inputs = node.step.inputs
    for input_, input_node in node.paired():
        if not input_node.port.fits(input_.ports):
            yield f"{node.op} takes no {input_node.port.name} as {input_.name}"
    variadic = bool(inputs) and inputs[-1].variadic
    if len(node.direct_inputs) > len(inputs) and not variadic:
        yield f"{node.op} has {len(node.direct_inputs)} inputs"
    names = getattr(node.options, "names", None)
    branches = len(node.lazy) if node.lazy else len(node.direct_inputs)
    if names is not None and node.port is not Port.DECISION and len(names) != branches:
        yield f"{node.op} has {branches} branches, but {len(names)} names"
    weights = node.get("weights") if node.step.weighed else None
    if weights is not None and len(weights) != len(node.direct_inputs):
        yield f"{node.op} has {len(node.direct_inputs)} members, but {len(weights)} weights"

"""The rewriter: patterns over nodes, rules as data, sweeps until nothing changes.

A rule is a pattern in a decorator and the rewriting as a function of what the pattern names::

    @rule(pattern("choose", pattern("route"), pattern("*", name="branch")))
    def lone_choice(graph, node, branch):
        '''A route that feeds one branch has nothing to decide.'''
        return branch
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.compiler.graph import Graph, Node

SWEEPS = 100
"""Sweeps after which a pass that still changes something is a mistake of its rules."""


@dataclass(frozen=True)
class NodePattern:
    """Nodes of an op, with inputs that match and options that have certain values.

    Without inputs, any inputs do; with some, a node must have exactly as many. `op` may be
    several, separated by `|`; `*` is any. A named node is handed to the rule under that name.
    It is written as `pattern(...)`.
    """

    op: str
    inputs: tuple[NodePattern, ...] = ()
    name: str = ""
    options: tuple[tuple[str, object], ...] = ()

    @property
    def ops(self) -> frozenset[str]:
        """The ops that match."""
        return frozenset(self.op.split("|"))

    def match(self, node: Node) -> dict[str, Node] | None:
        """Return the named nodes, or None where the node is another."""
        if node.op not in self.ops and "*" not in self.ops:
            return None
        if any(node.get(option) != value for option, value in self.options):
            return None
        if self.inputs and len(self.inputs) != len(node.direct_inputs):
            return None
        named = {self.name: node} if self.name else {}
        for pattern, inner in zip(self.inputs, node.direct_inputs, strict=False):
            deeper = pattern.match(inner)
            if deeper is None:
                return None
            named |= deeper
        return named


@dataclass(frozen=True, slots=True)
class RewriteRule:
    """A named rewriting. It returns the better node, or None where it does not apply."""

    name: str
    pattern: NodePattern
    rewrite: Callable[..., Node | None]

    @property
    def summary(self) -> str:
        """What the rule does and why that is the same: its docstring's first paragraph."""
        text = (self.rewrite.__doc__ or "").strip().split("\n\n")[0]
        return " ".join(text.split())

    def apply(self, graph: Graph, node: Node) -> Node | None:
        """Return what the node becomes, or None."""
        named = self.pattern.match(node)
        return None if named is None else self.rewrite(graph, node, **named)


@dataclass(frozen=True, slots=True)
class RuleUse:
    """One use of a rule: the node as it was and as it became."""

    rule: RewriteRule
    before: Node
    after: Node


@dataclass(frozen=True, slots=True)
class Pass:
    """Rules that run together until none of them applies.

    A `meaning` pass settles what the recipe says and always runs; the others only make the same
    answers cheaper.
    """

    name: str
    rules: tuple[RewriteRule, ...]
    meaning: bool = False
    by_op: dict[str, tuple[RewriteRule, ...]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for op in {op for rule in self.rules for op in rule.pattern.ops}:
            self.by_op[op] = tuple(rule for rule in self.rules if op in rule.pattern.ops)

    def run(self, graph: Graph, root: Node, log: list[RuleUse]) -> Node:
        """Rewrite to a fixed point; every use of a rule goes into the log."""
        for _ in range(SWEEPS):
            graph.sweep(root)
            rewritten = graph.rebuild(root, lambda node: self._improved(graph, node, log))
            if rewritten is root:
                return root
            root = rewritten
        raise RuntimeError(f"the rules of the pass `{self.name}` undo each other")

    def _improved(self, graph: Graph, node: Node, log: list[RuleUse]) -> Node:
        for rule_ in self.by_op.get(node.op, ()):
            better = rule_.apply(graph, node)
            if better is not None and better is not node:
                log.append(RuleUse(rule_, node, better))
                return better
        return node


def pattern(op: str, *inputs: NodePattern, name: str = "", **options: object) -> NodePattern:
    """Write a pattern: the op, those of the inputs, and options with the values they must have."""
    return NodePattern(op, inputs, name, tuple(options.items()))


def rule(matches: NodePattern) -> Callable[[Callable[..., Node | None]], RewriteRule]:
    """Make a function a rule."""

    def declare(rewrite: Callable[..., Node | None]) -> RewriteRule:
        return RewriteRule(rewrite.__name__, matches, rewrite)

    return declare

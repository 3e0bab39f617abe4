"""Which answers a recipe can only select, and which steps write another one.

A bound from graded answers of the members holds for a recipe whose answer is always one of these
very answers. Steps declare by the trait `selects` that they hand on what others wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.compiler.graph import GENERATE, topological
from composer.values import Port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.compiler.graph import Node
    from composer.recipe import Recipe

__all__ = ["Selection", "selection"]

FLOWING = frozenset({Port.QUERY, Port.TEXT, Port.CANDIDATES, Port.RANKING})
"""The ports over which questions and answers flow; models and decisions write no answer."""


@dataclass(frozen=True)
class Selection:
    """The members that are asked for answers, and the steps that write an answer of their own.

    `exceptions` has one phrase a step. The recipe only selects where there are none.
    """

    members: tuple[str, ...]
    exceptions: tuple[str, ...]

    @property
    def selects(self) -> bool:
        """Whether every answer of the recipe is a member's own answer to the plain question."""
        return not self.exceptions


def selection(recipe: Recipe) -> Selection:
    """Read a recipe's graph: who answers, and what is not a member's own answer."""
    members: dict[str, None] = {}
    exceptions: dict[str, None] = {}
    for node in _flowing(recipe.compiled.answer):
        if node.step.selects:
            continue
        models = [model for input_, model in node.paired() if input_.is_model]
        if models and _asks_the_question_only(node):
            members |= dict.fromkeys(name for model in models for name in _declared(model))
        reason = _exception(node, models)
        if reason is not None:
            exceptions[reason] = None
    declared = [name for name in recipe.compiled.models if name in members]
    others = [name for name in members if name not in declared]
    return Selection((*declared, *others), tuple(exceptions))


def _flowing(answer: Node | None) -> Iterator[Node]:
    """Yield the nodes that questions and answers flow through on their way to the answer."""
    waiting = [] if answer is None else [answer]
    visited: set[Node] = set()
    while waiting:
        node = waiting.pop()
        if node.is_query or node in visited:
            continue
        visited.add(node)
        yield node
        waiting += [each for each in reversed(node.direct_inputs) if each.port in FLOWING]


def _asks_the_question_only(node: Node) -> bool:
    """Say whether no answer goes into what its models are asked."""
    before = node.inputs[0]
    return before.is_query or (before.port is Port.QUERY and _asks_the_question_only(before))


def _declared(model: Node) -> list[str]:
    """Name the declared models that a model is made of."""
    return [node.title for node in topological(model) if node.declaration is not None]


def _exception(node: Node, models: list[Node]) -> str | None:
    """Say why a node's answer is none that was graded; None where it is a member's own."""
    if node.port is Port.QUERY:
        return None  # what is asked with it says so
    if node.op != GENERATE:
        names = ", ".join(f"`{name}`" for model in models for name in _declared(model))
        return f"`{node.op}` writes new answers" + f" with {names}" * bool(names)
    (model,) = models
    if model.declaration is None:
        return f"`{model.op}` writes new answers"
    if not node.inputs[0].is_query:
        return f"`{model.title}` is asked with a prompt of the recipe"
    if node.get("temperature") and node.get("draw"):
        return f"`{model.title}` is sampled more than once"
    return None

"""Nodes of the graph: frozen, and hashed by the identity of their inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from composer.diagnostics.amounts import counted
from composer.specs import Local, OptionModel, option_models, with_models
from composer.steps import STEPS, Input, Role
from composer.steps.declare import LIMITS
from composer.values import Model, ModelError, Port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic import BaseModel

    from composer.backends import Capability, Declaration
    from composer.steps import Step


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """One step of a recipe with what it is given.

    Nodes are made by :meth:`Graph.node` alone, which returns the same node for the same step,
    inputs and options; so two nodes are equal only if they are one. `origin` is the query that
    the node's value belongs to. The last `holds` inputs are models inside the options, in which
    an `OptionModel` stands for each.
    """

    op: str
    inputs: tuple[Node, ...]
    options: BaseModel | None
    port: Port
    origin: Node | None = None
    holds: int = 0

    def __repr__(self) -> str:
        """Say what it is, not all that is under it."""
        count = len(self.inputs)
        return f"Node({self.op}, {counted(count, 'input')})"

    @property
    def is_query(self) -> bool:
        """Whether it is the one node that has no step: what the recipe is asked."""
        return self.op == QUERY

    @property
    def step(self) -> Step:
        """The step that this node is a use of."""
        return STEPS[self.op]

    @property
    def direct_inputs(self) -> tuple[Node, ...]:
        """The inputs but for the models that options hold."""
        return self.inputs[: len(self.inputs) - self.holds]

    @property
    def option_models(self) -> tuple[Node, ...]:
        """The models that options hold."""
        return self.inputs[len(self.inputs) - self.holds :]

    def paired(self) -> Iterator[tuple[Input, Node]]:
        """Yield each input node with the input of the step that it serves, or with its option."""
        if self.is_query:
            return
        inputs = self.step.inputs
        for at, node in enumerate(self.direct_inputs):
            yield inputs[min(at, len(inputs) - 1)], node
        if not self.holds:
            return
        holders = {node: option for option, node, _ in self.holders}
        for node in self.option_models:
            yield Input(holders[node], Role.VALUE, frozenset({Port.MODEL})), node

    @property
    def holders(self) -> Iterator[tuple[str, Node, Capability]]:
        """The options that hold models, with each model and what it must be able to do."""
        if self.options is not None and self.holds:
            for option, model, needed in option_models(self.options):
                yield option, self.option_models[_place(model)], needed

    def call(
        self, values: Sequence[Any], options: Mapping[str, Any]
    ) -> tuple[Sequence[Any], dict[str, Any]]:
        """Return what the step's function takes, by what its inputs came to and its options."""
        at, named = len(self.direct_inputs), dict(options)
        if self.step.limited:
            named = {name: value for name, value in named.items() if name not in LIMITS}
        if self.holds:

            def bound(held: Model) -> Model:
                model: Model = values[at + _place(held)]
                return model

            named = {name: with_models(value, bound) for name, value in named.items()}
        return values[:at], named

    def get(self, option: str) -> Any:  # noqa: ANN401 - an option may be of any type
        """Return an option's value."""
        return getattr(self.options, option)

    @property
    def declaration(self) -> Declaration | None:
        """How a declared model is declared; None for whatever else."""
        declaration: Declaration | None = getattr(self.options, "declaration", None)
        return declaration

    @property
    def title(self) -> str:
        """The name of a declared model, else that of the step."""
        return self.op if self.declaration is None else str(self.get("name"))

    @property
    def is_checkpoint(self) -> bool:
        """Whether it is one set of weights: a declared model, or one derived from others."""
        return not self.is_query and self.step.gives_checkpoint

    @property
    def asks(self) -> Node | None:
        """The model that is asked, where one stands in step position; None for whatever else."""
        return self.inputs[1] if self.op == GENERATE else None

    @property
    def underlying(self) -> Node:
        """The model behind the prompts and weights before it."""
        node = self
        while node.step.passes_on:
            node = node.inputs[0]
        return node

    @property
    def settings(self) -> Mapping[str, object]:
        """The options that a lone model's own files and declaration ask for.

        Nothing, where these cannot be read: of that is spoken where the model is declared.
        """
        declaration = self.underlying.declaration if self.port is Port.MODEL else None
        try:
            return declaration.settings if isinstance(declaration, Local) else {}
        except ModelError:
            return {}

    @property
    def waits(self) -> tuple[bool, ...]:
        """Say of each input whether it may not run; a first attempt always does."""
        waits = [input_.role is Role.LATER for input_, _ in self.paired()]
        if self._tries_first():
            waits[waits.index(True)] = False
        return tuple(waits)

    def settled(self, option: str) -> Any:  # noqa: ANN401 - an option may be of any type
        """Return an option's value, or what the step settles where that is left open."""
        assert self.options is not None
        return {**self.values(), **self.step.settled(self.options)}[option]

    def _tries_first(self) -> bool:
        """Say whether the first branch always runs: that of a step which is given no answer."""
        if self.is_query or not self.step.tries_first:
            return False
        return self.step.wire is None or self.inputs[0].port is Port.QUERY

    def values(self) -> dict[str, Any]:
        """Return all options by name."""
        fields = type(self.options).model_fields if self.options is not None else ()
        return {name: getattr(self.options, name) for name in fields}

    @property
    def lazy(self) -> tuple[Node, ...]:
        """The branches that this node may or may not run."""
        return tuple(node for input_, node in self.paired() if input_.role is Role.LATER)


QUERY = "query"
"""The op of the one node that has no step: what the recipe is asked."""

GENERATE = "generate"
"""The op of a model that is asked in step position: the query, then the model."""


def topological(root: Node) -> list[Node]:
    """Return every node under a root once, inputs before those that use them."""
    order: list[Node] = []
    visited: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, inputs_listed = stack.pop()
        if inputs_listed:
            order.append(node)
        elif node not in visited:
            visited.add(node)
            stack.append((node, True))
            stack.extend((input_node, False) for input_node in reversed(node.inputs))
    return order


def checkpoints(model: Node) -> list[Node]:
    """Return the models of which a model is made, left to right: declared ones and derived ones."""
    reached: list[Node] = []
    waiting = [model]
    while waiting:
        node = waiting.pop()
        if node.is_checkpoint:
            reached.append(node)
        else:
            waiting += [each for each in reversed(node.inputs) if each.port is Port.MODEL]
    return reached


def model_of(root: Node) -> Model:
    """Return the value of a node that is a model; raises SpecError where there can be none."""
    models: dict[Node, Model] = {}
    for node in topological(root):
        models[node] = model_value(node, [models[member] for member in node.inputs])
    return models[root]


def model_value(node: Node, members: list[Model]) -> Model:
    """Return the value of a model's node, made of the values of its members."""
    inputs, options = node.call(members, node.values())
    value = node.step.function(*inputs, **options)
    assert isinstance(value, Model)
    return value


def _place(model: Model) -> int:
    """Return which of the models that a node holds stands here."""
    assert isinstance(model, OptionModel)
    return model.at

"""The typed graph: frozen, interned nodes, hashed by the identity of their children."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from composer.heavy import nx
from composer.specs import Local, OptionModel, SpecError, option_models, with_models
from composer.steps import STEPS, Input, Role
from composer.steps.declare import LIMITS
from composer.values import Model, ModelError, Port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from composer.backends import Capability, Card, Declaration
    from composer.diagnostics import Place
    from composer.specs import SpecProblem
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
        return f"Node({self.op}, {count} input{'' if count == 1 else 's'})"

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


@dataclass(frozen=True, slots=True)
class Options:
    """The options that are set, and where each value was written, as far as a file says it."""

    values: dict[str, object]
    places: dict[str, Place]


class Graph:
    """A pool of interned nodes, and where in the recipe each was written, with its options.

    What light files tell of models is kept as long: a recipe that is loaded again reads them again.
    """

    def __init__(self) -> None:
        self._nodes: dict[tuple[object, ...], Node] = {}
        self._draws: dict[tuple[object, ...], set[int]] = {}
        self._models: dict[Node, Model | ModelError | None] = {}
        self._cards: dict[Declaration, Card] = {}
        self.places: dict[Node, Place] = {}
        self.origins: dict[Node, dict[str, Place]] = {}
        self.query = self._intern(Node(QUERY, (), None, Port.QUERY))

    def node(
        self,
        op: str,
        inputs: tuple[Node, ...],
        options: Mapping[str, object] | BaseModel | None = None,
        place: Place | None = None,
        held: tuple[Node, ...] = (),
    ) -> Node:
        """Return the node of a step with inputs and options, made once."""
        step = STEPS[op]
        values = options if isinstance(options, BaseModel) else step.options(**(options or {}))
        port, origin = _port(step, inputs), _origin(step, inputs)
        node = self._intern(Node(op, (*inputs, *held), values, port, origin, len(held)))
        if place is not None:
            self.places.setdefault(node, place)
        return node

    def written(
        self,
        op: str,
        inputs: tuple[Node, ...],
        options: Options,
        place: Place,
        held: tuple[Node, ...] = (),
    ) -> Node:
        """Return the node of a step that a recipe writes, remembering where its options stand."""
        node = self.node(op, inputs, options.values, place, held)
        self.origins.setdefault(node, options.places)
        return node

    def replaced(
        self, node: Node, inputs: tuple[Node, ...] | None = None, /, **options: object
    ) -> Node:
        """Return the node with other inputs or options, standing at the same place."""
        values = node.options
        if options and values is not None:
            values = values.model_copy(update=options)
        all_inputs = node.inputs if inputs is None else (*inputs, *node.option_models)
        return self._again(node, all_inputs, values)

    def _again(self, node: Node, inputs: tuple[Node, ...], options: BaseModel | None) -> Node:
        at = len(inputs) - node.holds
        new_node = self.node(node.op, inputs[:at], options, self.places.get(node), inputs[at:])
        self.origins.setdefault(new_node, self.origins.get(node, {}))
        return new_node

    def occurs_again(self, node: Node) -> bool:
        """Say whether a node's work is written elsewhere too, as an occurrence of its own."""
        assert node.options is not None
        alike = (node.op, *map(id, node.inputs), node.options.model_copy(update={"draw": 0}))
        return len(self._draws.get(alike, ())) > 1

    def card(self, declaration: Declaration) -> Card:
        """Return what is known of a declared model, read once; raises ModelError for a mistake."""
        if declaration not in self._cards:
            self._cards[declaration] = declaration.card()
        return self._cards[declaration]

    def problems(self, node: Node) -> tuple[SpecProblem, ...]:
        """Return what is wrong with the value of a model; nothing for any other node.

        Of a model with a member that cannot be, only the member is spoken of.
        """
        if node not in self._models:
            self._models[node] = self._model(node)
        value = self._models[node]
        return value.problems if isinstance(value, SpecError) else ()

    def makes(self, node: Node) -> bool:
        """Return whether a node is a model that can be made: so can all of its members."""
        return not self.problems(node) and isinstance(self._models[node], Model)

    def _model(self, node: Node) -> Model | ModelError | None:
        if node.port is not Port.MODEL:
            return None
        members = [
            None if self.problems(input_node) else self._models[input_node]
            for input_node in node.inputs
        ]
        valid_members = [member for member in members if isinstance(member, Model)]
        if len(valid_members) < len(members):
            return None
        try:
            return _value(node, valid_members)
        except ModelError as error:  # of what cannot be read is spoken where it is declared
            return error

    def rebuild(self, root: Node, change: Callable[[Node], Node]) -> Node:
        """Return the graph with `change` applied to every node, inputs first."""
        rebuilt: dict[Node, Node] = {}
        for node in topological(root):
            inputs = tuple(rebuilt[input_node] for input_node in node.inputs)
            same = all(a is b for a, b in zip(inputs, node.inputs, strict=True))
            rebuilt[node] = change(node if same else self._again(node, inputs, node.options))
        return rebuilt[root]

    def _intern(self, node: Node) -> Node:
        options, inputs = node.options, map(id, node.inputs)
        draw = getattr(options, "draw", 0)
        key = (node.op, *inputs, options)
        if options is not None and draw:
            alike = (*key[:-1], options.model_copy(update={"draw": 0}))
            self._draws.setdefault(alike, set()).add(draw)
        return self._nodes.setdefault(key, node)


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


def model_of(root: Node) -> Model:
    """Return the value of a node that is a model; raises SpecError where there can be none."""
    models: dict[Node, Model] = {}
    for node in topological(root):
        models[node] = _value(node, [models[member] for member in node.inputs])
    return models[root]


def _value(node: Node, members: list[Model]) -> Model:
    inputs, options = node.call(members, node.values())
    value = node.step.function(*inputs, **options)
    assert isinstance(value, Model)
    return value


def as_networkx(root: Node) -> nx.DiGraph[Node]:
    """Return the graph as networkx sees it: an edge from each node to those that use it."""
    view: nx.DiGraph[Node] = nx.DiGraph()
    for node in topological(root):
        view.add_node(node, op=node.op, port=node.port.name)
        view.add_edges_from((source, node) for source in node.inputs)
    return view


def _place(model: Model) -> int:
    """Return which of the models that a node holds stands here."""
    assert isinstance(model, OptionModel)
    return model.at


def _port(step: Step, inputs: tuple[Node, ...]) -> Port:
    """Return what a node gives."""
    same = step.gives_same or (step.lone_same and len(inputs) == 1)
    return inputs[0].port if same else step.gives


def _origin(step: Step, inputs: tuple[Node, ...]) -> Node | None:
    """Return the query that a value belongs to: what `cascade` asks its next stage."""
    if step.gives is Port.MODEL or not inputs:
        return None
    first = inputs[0]
    if first.port is Port.QUERY:
        return first
    return first.origin

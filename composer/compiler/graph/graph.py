"""The pool of nodes: each is made once, and its place in the recipe is known."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel

from composer.compiler.graph.node import QUERY, Node, model_value, topological
from composer.heavy import nx
from composer.specs import SpecError
from composer.steps import STEPS
from composer.values import Model, ModelError, Port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from composer.backends import Card, Declaration
    from composer.diagnostics import Place
    from composer.specs import SpecProblem
    from composer.steps import Step


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
        self._readers: Counter[Node] = Counter()
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

    def sweep(self, root: Node) -> None:
        """Note who reads what under a root, before rules sweep over it."""
        self._readers = Counter(each for node in topological(root) for each in node.inputs)

    def readers(self, node: Node) -> int:
        """Return how many read a node's value where the last sweep began; 0 for a newer node."""
        return self._readers[node]

    def card(self, declaration: Declaration) -> Card:
        """Return what is known of a declared model, read once; raises ModelError for a mistake."""
        if declaration not in self._cards:
            self._cards[declaration] = declaration.card()
        return self._cards[declaration]

    def forget(self) -> None:
        """Forget what was read of models, so that it is read again."""
        self._cards.clear()
        self._models.clear()

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
            return model_value(node, valid_members)
        except ModelError as error:  # of what cannot be read is spoken where it is declared
            return error

    def rebuild(self, root: Node, change: Callable[[Node], Node]) -> Node:
        """Return the graph with `change` applied to every node, inputs first."""
        return self.rebuilt_nodes(root, change)[root]

    def rebuilt_nodes(self, root: Node, change: Callable[[Node], Node]) -> dict[Node, Node]:
        """Return what each node under a root becomes in `rebuild`."""
        rebuilt: dict[Node, Node] = {}
        for node in topological(root):
            inputs = tuple(rebuilt[input_node] for input_node in node.inputs)
            same = all(a is b for a, b in zip(inputs, node.inputs, strict=True))
            rebuilt[node] = change(node if same else self._again(node, inputs, node.options))
        return rebuilt

    def _intern(self, node: Node) -> Node:
        options, inputs = node.options, map(id, node.inputs)
        draw = getattr(options, "draw", 0)
        key = (node.op, *inputs, options)
        if options is not None and draw:
            alike = (*key[:-1], options.model_copy(update={"draw": 0}))
            self._draws.setdefault(alike, set()).add(draw)
        return self._nodes.setdefault(key, node)


def as_networkx(root: Node) -> nx.DiGraph[Node]:
    """Return the graph as networkx sees it: an edge from each node to those that use it."""
    view: nx.DiGraph[Node] = nx.DiGraph()
    for node in topological(root):
        view.add_node(node, op=node.op, port=node.port.name)
        view.add_edges_from((source, node) for source in node.inputs)
    return view


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

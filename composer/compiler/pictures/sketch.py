"""From a graph to a picture: what is drawn as a box, what inside of one, and what as a line."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING

from composer.compiler.graph import Node, topological
from composer.compiler.pictures.box_text import WEIGHTS, facts, weight
from composer.compiler.pictures.picture import Box, Edge, MemberChip, Picture
from composer.steps import Role
from composer.values import Port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.compiler.graph import Compiled

Wire = tuple[Node, str, bool]
"""The node at the other end of a line, the name of the branch, and whether it may not run."""


def sketch(compiled: Compiled, root: Node) -> Picture:
    """Return the picture of a graph."""
    order = topological(root)
    return _Sketch(compiled, root, order).picture()


@dataclass(eq=False)
class _Sketch:
    compiled: Compiled
    root: Node
    order: list[Node]
    users: dict[Node, list[tuple[Node, bool]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.users = {node: [] for node in self.order}
        for node in self.order:
            for input_, source in node.paired():
                if not _looks_at(node, source):
                    self.users[source].append((node, input_.role is Role.LATER))
        self.ids = _ids(self.order)
        self.certain = _certain(self.root)

    def picture(self) -> Picture:
        """Draw what the answer is made of, but for what is part of another's box."""
        wires = self._reached()
        edges = [
            Edge(self.ids[source], self.ids[node], name, maybe)
            for node, lines in wires.items()
            for source, name, maybe in lines
        ]
        boxes = tuple(self.box(node) for node in wires)
        kinds = tuple(dict.fromkeys(box.kind for box in boxes))
        return Picture(self.compiled.name, boxes, tuple(edges), self.ids[self.root], kinds)

    def _reached(self) -> dict[Node, list[Wire]]:
        """Return the nodes that are boxes, in the order of work, with the lines into each."""
        wires: dict[Node, list[Wire]] = {}
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            if node not in wires:
                wires[node] = self.wires(node)
                waiting += [source for source, _, _ in wires[node]]
        return {node: wires[node] for node in self.order if node in wires}

    def inside(self, node: Node) -> bool:
        """Say whether a node is drawn as a part of the one box that uses it."""
        if node is self.root:
            return False
        users = self.users[node]
        if _model_of(node) is not None:
            return True
        if node.port is Port.MODEL:
            user = users[0][0] if len(users) == 1 else None
            return user is not None and node is _absorbed(user) and not self._stands(user)
        return _is_lines(node) and len(users) == 1 and not users[0][1]

    def _stands(self, user: Node) -> bool:
        """Say whether a model made of another one has a box of its own."""
        return user.port is Port.MODEL and not self.inside(user)

    def core(self, node: Node) -> list[Node]:
        """Return the nodes that a box is made of: a `generate` with its `weigh` and its fuse."""
        parts = [node]
        while (inner := _absorbed(parts[-1])) is not None and self.inside(inner):
            parts.append(inner)
        return parts

    def box(self, node: Node) -> Box:
        """Draw one node, with what is inside of it."""
        parts = self.core(node)
        option_facts = [
            fact for part in reversed(parts) if not part.is_query for fact in facts(part)
        ]
        place = self.compiled.graph.places.get(node)
        return Box(
            id=self.ids[node],
            title=parts[-1].title,
            kind=node.port.name.lower(),
            facts=tuple(option_facts),
            chips=tuple(self.chips(parts)),
            maybe=node not in self.certain,
            place=f"{place.source.name}:{place.line}:{place.column}" if place else "",
        )

    def chips(self, parts: list[Node]) -> Iterator[MemberChip]:
        """Return the members that a box holds; a route has the names that it chooses among."""
        node = parts[-1]
        if node.port is Port.DECISION:
            yield from (MemberChip(name) for name in node.get("names"))
            return
        members = [input_node for input_node in node.inputs if input_node.port is Port.MODEL]
        if not members:
            return
        names = node.get("names") if "names" in node.step.hidden else ()
        weights = (node.get(WEIGHTS) if node.step.weighed else None) or ()
        for member, name, share in zip_longest(members, names, weights):
            if self.inside(member):
                yield _chip(member, name or "", share)

    def wires(self, node: Node) -> list[Wire]:
        """Return the lines into a box, without a query that another of them carries."""
        parts = self.core(node)
        candidates = [wire for part in parts for wire in self._into(part) if wire[0] not in parts]
        brought = {
            source.origin
            for source, _, maybe in candidates
            if not maybe or node not in self.certain
        }
        return list(dict.fromkeys(wire for wire in candidates if wire[0] not in brought))

    def _into(self, node: Node) -> Iterator[Wire]:
        labels = [node.step.labels.get(input_.name, "") for input_, _ in node.paired()]
        named = zip(_named_inputs(node), labels, node.waits, strict=True)
        for (source, name), label, may_wait in named:
            if _looks_at(node, source):
                continue
            maybe = may_wait or node not in self.certain
            if _is_lines(source) and self.inside(source):
                yield from self._through(source, maybe=maybe)
            elif not (source.port is Port.MODEL and self.inside(source)):
                yield source, self._label(source, label or name), maybe

    def _through(self, bank: Node, *, maybe: bool) -> Iterator[Wire]:
        """Return the branches of a bank that has no box of its own, and of banks in it."""
        waiting = [(bank, "")]
        while waiting:
            node, named = waiting.pop()
            if _is_lines(node) and self.inside(node):
                waiting += reversed(list(_named_inputs(node)))
            else:
                yield node, self._label(node, named), maybe

    def _label(self, node: Node, name: str) -> str:
        """Return a branch's name where it says more than the box that the branch ends in."""
        title = self.core(node)[-1].title
        plain = name.partition("#")[0]
        return "" if plain == title or plain.startswith(f"{title}(") else name


def _ids(order: list[Node]) -> dict[Node, str]:
    """Name the nodes as a plan does: r0, r1, ... in the order of work."""
    steps = [node for node in order if node.declaration is None]
    return {node: f"r{at}" for at, node in enumerate(steps)}


def _certain(root: Node) -> set[Node]:
    """Return the nodes that run for every query."""
    certain, waiting = {root}, [root]
    while waiting:
        node = waiting.pop()
        inputs = zip(node.inputs, node.waits, strict=True)
        new_nodes = [
            input_node
            for input_node, may_wait in inputs
            if not may_wait and input_node not in certain
        ]
        certain.update(new_nodes)
        waiting += new_nodes
    return certain


def _named_inputs(node: Node) -> list[tuple[Node, str]]:
    """Return a node's inputs, with the names of its branches."""
    branches = node.lazy or node.direct_inputs
    names = () if node.port is Port.DECISION else getattr(node.options, "names", ())
    before = len(node.direct_inputs) - len(branches)
    padded = ("",) * before + (tuple(names) if names else ("",) * len(branches))
    return list(zip(node.inputs, padded + ("",) * node.holds, strict=True))


def _model_of(node: Node) -> Node | None:
    """Return the declared model that a node is, or that it is under a prompt of its own."""
    underlying = node.underlying if node.port is Port.MODEL else node
    return underlying if underlying.declaration is not None else None


def _looks_at(node: Node, model: Node) -> bool:
    """Say whether a step decides about a model, which is not drawn."""
    return node.port is Port.DECISION and model.port is Port.MODEL


def _absorbed(node: Node) -> Node | None:
    """Return the input that is drawn as one with a step, where nothing else uses it."""
    return next((n for i, n in node.paired() if i.name == node.step.absorbs), None)


def _is_lines(node: Node) -> bool:
    """Say whether a step is drawn as the lines from its branches."""
    return not node.is_query and node.step.lines


def _chip(member: Node, name: str, share: float | None) -> MemberChip:
    """Name a member, and the model that it is where the name is another."""
    declared = _model_of(member)
    model = member.title if declared is None else declared.title
    plain = name.partition("#")[0] or model
    shown = model if plain == model else f"{plain}: {model}"
    return MemberChip(shown, "" if share is None else weight(share))

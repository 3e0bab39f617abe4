"""A group: models that give one next-token distribution together. One model is a group too."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, cast

import torch

from composer.engine.combine import plausible
from composer.engine.distribution import Aligned, Distributions, MemberWeight, gather_rows
from composer.engine.parts import Member, opened
from composer.engine.processors import processor
from composer.engine.space import space_of
from composer.specs import Checkpoint, Prompted, TokenFuse, WeightedFuse, bare
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from torch import Tensor

    from composer.engine.combine import Combine
    from composer.engine.gate import Gate
    from composer.engine.parts import Alignment, Weigh
    from composer.engine.processors import Process
    from composer.engine.rows.runner import Runner
    from composer.engine.space import Map, Space
    from composer.engine.weights.local import LocalModel
    from composer.specs.chat import Chat
    from composer.specs.parts import Renders
    from composer.values.flow import Model
    from composer.values.processing import Processing

    Prior = Callable[..., Awaitable[tuple[float, ...]]]
    """What `sessions.settle` says in full, which stands on cursors, as these do on groups."""

__all__ = ["FuseNode", "Group", "ModelSlot"]


@dataclass(frozen=True, eq=False)
class ModelSlot:
    """One model in a group: whose weights, under which prompt of its own, in which pass.

    `processing` is done to its logits, where who asks says nothing else.
    """

    runner: Runner
    name: str
    chat: Chat
    prompt: Renders | None
    pass_index: int
    processing: Processing


@dataclass(frozen=True, eq=False)
class FuseNode:
    """An inner node: its children's distributions, brought into one space, become one."""

    children: tuple[Node, ...]
    slots: range
    align: Alignment
    weights: tuple[float, ...]
    combine: Combine
    weigh: Weigh | None
    prompt_weights: Prior | None
    gate: Gate | None
    leave: bool
    lazy: bool

    @property
    def space(self) -> Space:
        """What the fused distribution ranges over."""
        return self.align.space

    @property
    def maps(self) -> tuple[Map, ...] | None:
        """How the children are fed what was chosen."""
        return self.align.maps


@dataclass(frozen=True, eq=False)
class ModelNode:
    """A leaf of the tree: the model's own distribution."""

    space: Space
    slots: range


Node = FuseNode | ModelNode


class Group:
    """A member made ready: its models in order, and the tree that fuses what they say."""

    def __init__(self, model: Model, runners: Mapping[Checkpoint, Runner]) -> None:
        self.slots: list[ModelSlot] = []
        self._runners = runners
        self._spaces: dict[Runner, Space] = {}
        self._processors: dict[Processing, tuple[Process | None, ...]] = {}
        self.root = self._node(model, "", prompt=None, together=False)
        self.space = self.root.space
        self.device = self.slots[0].runner.model.device

    @cached_property
    def gate(self) -> Gate | None:
        """What decides at which tokens the members after the first are asked."""
        return self.root.gate if isinstance(self.root, FuseNode) else None

    @cached_property
    def lazy(self) -> bool:
        """Whether members behind a gate read only where it opens."""
        return isinstance(self.root, FuseNode) and self.root.lazy

    @property
    def prompt_weights(self) -> Prior | None:
        """What finds the members' weights in the prompt."""
        return self.root.prompt_weights if isinstance(self.root, FuseNode) else None

    def weights_without(self, slot: int, weights: Sequence[float]) -> tuple[float, ...] | None:
        """Weights without the member that has a leaf, over their sum; None if it cannot leave."""
        root = self.root
        if not isinstance(root, FuseNode) or not root.leave:
            return None
        place = next(n for n, child in enumerate(root.children) if slot in child.slots)
        rest = [0.0 if n == place else weight for n, weight in enumerate(weights)]
        if root.gate is not None:
            rest[0] = rest[0] if any(rest) else 1.0
        total = 0.0 if root.gate is not None and place == 0 else sum(rest)
        return tuple(weight / total for weight in rest) if total > 0 else None

    def processors(self, asked: Processing) -> tuple[Process | None, ...]:
        """What is done to each leaf's logits where so much is asked; None where nothing is."""
        if asked not in self._processors:
            pairs = ((slot.runner.model, asked.over(slot.processing)) for slot in self.slots)
            self._processors[asked] = tuple(processor(*pair) for pair in pairs)
        return self._processors[asked]

    @cached_property
    def first_slots(self) -> list[int]:
        """The leaves of the first member."""
        first = self.root.children[0] if isinstance(self.root, FuseNode) else self.root
        return list(first.slots)

    def first_distributions(self, logits: Sequence[Tensor | None]) -> Distributions:
        """What the first member says, over its own entries."""
        first = self.root.children[0] if isinstance(self.root, FuseNode) else self.root
        return self._fuse(first, logits, None)

    def first_hidden_states(self, logits: Sequence[Tensor | None]) -> Tensor | None:
        """The last hidden states [row, size] behind the first member's logits, if there are any."""
        slot = self.first_slots[0]
        said, model = logits[slot], self.slots[slot].runner.model
        behind = None if said is None else said[:, model.width :]
        return behind if behind is not None and behind.shape[1] else None

    def fuse_members(
        self,
        members: Sequence[int],
        logits: Sequence[Tensor | None],
        weights: Sequence[Sequence[float]],
    ) -> Distributions:
        """What some members of the outermost fuse say without the others, a column an entry."""
        root = self.root
        if isinstance(root, FuseNode) and root.maps is None and len(members) == 1:
            own = self._dense(root.children[members[0]], logits)
            return Distributions(own.scores[:, : len(self.space)], own.linear)
        return self.fuse(logits, weights).to_dense(len(self.space))

    @cached_property
    def token_of(self) -> list[Sequence[int]]:
        """For each leaf, the token that writes each entry, or -1 where it needs several."""
        writes = {id(self.root): torch.arange(len(self.space))}
        for node in self._inner_nodes():
            own = writes[id(node)]
            for n, child in enumerate(node.children):
                lies = None if node.maps is None else node.maps[n].take
                writes[id(child)] = own if lies is None else lies[own].where(own >= 0, -1)
        return self._leafwise(writes)

    @cached_property
    def entry_of(self) -> list[Sequence[int]]:
        """For each leaf, the entry that each of its tokens means, or one beyond the last."""
        beyond = torch.tensor([len(self.space)])
        means = {id(self.root): torch.arange(len(self.space) + 1)}
        for node in self._inner_nodes():
            own = means[id(node)]
            for n, child in enumerate(node.children):
                give = None if node.maps is None else node.maps[n].give
                means[id(child)] = own if give is None else torch.cat([own[give], beyond])
        return self._leafwise(means)

    def _leafwise(self, tables: Mapping[int, Tensor]) -> list[Sequence[int]]:
        """The leaves' tables in their order, as numbers of the host."""
        slots = {node.slots.start: node for node in self._nodes() if isinstance(node, ModelNode)}
        found = [tables[id(slots[n])] for n in range(len(slots))]
        return [array("q", table.numpy().tobytes()) for table in found]

    def _nodes(self) -> list[Node]:
        """All nodes, parents before their children."""
        found: list[Node] = [self.root]
        for node in found:
            if isinstance(node, FuseNode):
                found.extend(node.children)
        return found

    def _inner_nodes(self) -> list[FuseNode]:
        return [node for node in self._nodes() if isinstance(node, FuseNode)]

    @property
    def member_count(self) -> int:
        """How many members the outermost fuse has; 1 for a lone model."""
        return len(self.root.children) if isinstance(self.root, FuseNode) else 1

    def weights(self, model: Model) -> tuple[float, ...]:
        """The weights of a model that this group is of, as they are used; 1 for a lone model."""
        inner = bare(model)
        return inner.normalized_weights() if isinstance(inner, WeightedFuse) else (1.0,)

    def running_slots(self, weights: Sequence[float]) -> list[int]:
        """The leaves that a job with these weights runs: those that can change something."""
        if isinstance(self.root, ModelNode):
            return [0]
        found: list[int] = [] if self.gate is None else list(self.first_slots)
        todo = [self.root.children[n] for n in _asked(self.root, weights)]
        while todo:
            node = todo.pop()
            if isinstance(node, ModelNode):
                found.extend(node.slots)
            else:
                todo.extend(node.children[n] for n in _asked(node, node.weights))
        return sorted(set(found))

    def entries_of(self, slot: int, ids: Sequence[int]) -> list[int]:
        """Entries that spell one leaf's tokens; special tokens of a union have none."""
        table = self.entry_of[slot]
        found = [table[token] for token in ids if token < len(table)]
        return [entry for entry in found if entry < len(self.space)]

    def bytes_of(self, entries: Sequence[int]) -> bytes:
        """Join the entries' bytes."""
        return b"".join(self.piece(entry) for entry in entries)

    def piece(self, entry: int) -> bytes:
        """What one entry stands for; nothing if it ends or is special."""
        return (None if entry in self.space.ends else self.space.pieces[entry]) or b""

    def fuse(
        self, logits: Sequence[Tensor | None], weights: Sequence[Sequence[float]]
    ) -> Distributions:
        """The group's distribution, a row each.

        `logits[leaf]` is [row, width], None if no row runs the leaf; `weights` is [row][child].
        """
        return self._fuse(self.root, logits, weights)

    def _fuse(
        self, node: Node, logits: Sequence[Tensor | None], weights: Sequence[Sequence[float]] | None
    ) -> Distributions:
        if isinstance(node, ModelNode):
            said = logits[node.slots.start]
            assert said is not None
            return Distributions(said[:, : len(node.space)].to(self.device))
        children = enumerate(node.children)
        heard = {n: self._dense(c, logits) for n, c in children if self._speaks(c, logits)}
        rows = weights or (node.weights,)
        if not node.align.apart:
            return self._combined(node, heard, rows)
        parts: list[tuple[Sequence[int], Distributions]] = []
        for asked, some in _asked_alike(node, rows).items():
            own = {n: said for n, said in heard.items() if n in asked}
            if len(some) < len(rows):
                own = {n: said.select(some) for n, said in own.items()}
            parts.append((some, self._combined(node, own, [rows[row] for row in some])))
        return gather_rows(parts, len(node.space))

    def _combined(
        self, node: FuseNode, heard: Mapping[int, Distributions], weights: Sequence[Sequence[float]]
    ) -> Distributions:
        """What children that are heard say together; `weights` is [row][child]."""
        weighed = [MemberWeight([row[n] for row in weights], self.device, n) for n in heard]
        lined = node.align.align(heard)
        if node.weigh is not None:
            weighed = node.weigh(lined, weighed)
        return lined.to_entries(node.combine(lined, weighed))

    def aligned(self, logits: Sequence[Tensor | None]) -> Aligned:
        """What the members of the outermost fuse say, by themselves, over the same columns."""
        root = self.root
        if isinstance(root, ModelNode):
            return Aligned([self._fuse(root, logits, None)], len(self.space))
        return root.align.align({n: self._dense(c, logits) for n, c in enumerate(root.children)})

    def _dense(self, node: Node, logits: Sequence[Tensor | None]) -> Distributions:
        return self._fuse(node, logits, None).to_dense(len(node.space))

    def _speaks(self, node: Node, logits: Sequence[Tensor | None]) -> bool:
        return any(logits[slot] is not None for slot in node.slots)

    def _node(self, model: Model, name: str, *, prompt: Renders | None, together: bool) -> Node:
        match model:
            case Prompted():
                return self._node(model.model, name, prompt=model.template, together=together)
            case Checkpoint():
                return self._single(model, name, prompt, together=together)
            case TokenFuse():
                return self._inner(model, prompt, together=together)
            case _:
                text = "`span_fuse`, `byte_fuse` and `handoff` cannot be members of `token_fuse`"
                raise ModelError(
                    "E302", text, "put the `token_fuse` inside, and the other fuse around it"
                )

    def _single(
        self, model: Checkpoint, name: str, prompt: Renders | None, *, together: bool
    ) -> ModelNode:
        runner = self._runners[model]
        if runner not in self._spaces:
            self._spaces[runner] = space_of(runner.model)
        place = len(self.slots)
        pass_index = 0 if together else sum(slot.runner is runner for slot in self.slots)
        chat = model.weights.chat
        slot = ModelSlot(
            runner, name or model.name, chat, prompt, pass_index, model.weights.processing
        )
        self.slots.append(slot)
        return ModelNode(self._spaces[runner], range(place, place + 1))

    def _inner(self, fuse: TokenFuse, prompt: Renders | None, *, together: bool) -> FuseNode:
        start = len(self.slots)
        together = together or fuse.together
        children = tuple(
            self._node(member, name, prompt=prompt, together=together)
            for member, name in zip(fuse.members, fuse.names, strict=True)
        )
        sides = [
            Member(name, child.space, self._model(child))
            for name, child in zip(fuse.names, children, strict=True)
        ]
        combine = cast("Combine", fuse.combine.load())
        weigh, prior = (fuse.weigh, None)
        if weigh is not None and weigh.once:
            weigh, prior = None, weigh
        return FuseNode(
            children,
            range(start, len(self.slots)),
            opened(fuse.align, sides, self.slots[0].runner.model.device),
            fuse.normalized_weights(),
            partial(plausible, of=combine, alpha=fuse.plausible) if fuse.plausible else combine,
            None if weigh is None else cast("Weigh", weigh.load()(sides)),
            None if prior is None else cast("Prior", prior.load()(sides)),
            None if fuse.gate is None else cast("Gate", fuse.gate.load()(sides)),
            fuse.leave,
            fuse.lazy,
        )

    def _model(self, node: Node) -> LocalModel | None:
        """The model of a node that is one."""
        return self.slots[node.slots.start].runner.model if isinstance(node, ModelNode) else None


def _asked(fuse: FuseNode, weights: Sequence[float]) -> list[int]:
    """The children that can change something; the first one also where it leads."""
    return [n for n, weight in enumerate(weights) if weight or (n == 0 and fuse.align.leads)]


def _asked_alike(
    fuse: FuseNode, weights: Sequence[Sequence[float]]
) -> dict[tuple[int, ...], list[int]]:
    """The rows that ask the same children, by these."""
    found: dict[tuple[int, ...], list[int]] = {}
    for row, each in enumerate(weights):
        found.setdefault(tuple(_asked(fuse, each)), []).append(row)
    return found

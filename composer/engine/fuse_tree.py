"""The tree of a token fuse: its models as leaves, its fuses as inner nodes, and how it is built."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.engine.parts import Align, Combine, Gate, Member, Weigh
from composer.engine.plausible import plausible
from composer.engine.space import space_of
from composer.heavy import torch
from composer.specs import Checkpoint, Prompted, TokenFuse
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.engine.distribution import Aligned, Distributions, MemberWeight
    from composer.engine.parts import Alignment
    from composer.engine.rows.runner import AnyRunner
    from composer.engine.space import Map, Space
    from composer.engine.weights.tokens import TokenModel
    from composer.specs.declaration import Chat
    from composer.specs.parts import Renders
    from composer.values.flow import Model
    from composer.values.processing import Processing

__all__ = ["FuseNode", "FuseTree", "ModelNode", "ModelSlot", "Node"]


@dataclass(frozen=True, eq=False)
class ModelSlot:
    """The place of one model in a group: its weights, its own prompt, and its pass of a step.

    The same weights may stand in several slots. Slots of one `pass_index` share a forward pass;
    others of the same weights are read in passes of their own. `processing` are the logits
    processors of the model's own files, used where a request says nothing else. `adapter` is the
    number of the adapter with which its rows are read, 0 for the base alone.
    """

    runner: AnyRunner
    name: str
    chat: Chat
    prompt: Renders | None
    pass_index: int
    processing: Processing
    adapter: int = 0


@dataclass(frozen=True, eq=False)
class ModelNode:
    """A leaf of the tree: one model, whose distribution is over its own vocabulary `space`.

    `slots` is the range of one slot.
    """

    space: Space
    slots: range


@dataclass(frozen=True, eq=False)
class FuseNode:
    """A fuse: the distributions of its children are aligned, weighted and combined into one.

    `names` are those of its members, `slots` those of all models below it. `align`, `weigh`,
    `combine` and `gate` are the parts of the recipe, prepared for its members. `leave` allows a
    member that fails to be dropped; with `lazy`, members behind the gate read only where it opens.
    `static` says that the work of all parts depends on shapes alone.
    """

    names: tuple[str, ...]
    children: tuple[Node, ...]
    slots: range
    align: Alignment
    weights: tuple[float, ...]
    combine: Combine
    plausible: float
    weigh: Weigh | None
    gate: Gate | None
    leave: bool
    lazy: bool
    static: bool

    @property
    def space(self) -> Space:
        """The vocabulary of the fused distribution."""
        return self.align.space

    @property
    def maps(self) -> tuple[Map, ...] | None:
        """Which of each child's entries stand for which of `space`; None if they are the same."""
        return self.align.maps

    @property
    def convex(self) -> bool:
        """Whether the loss of an entry is convex in the weights."""
        return self.combine.convex and not self.plausible

    def combined(self, aligned: Aligned, weights: Sequence[MemberWeight]) -> Distributions:
        """Combine aligned distributions, and rule out the tokens that are not plausible."""
        fused = self.combine.combine(aligned, weights)
        return plausible(fused, aligned, weights, self.plausible) if self.plausible else fused

    def contributing(self, weights: Sequence[float]) -> list[int]:
        """The children that change the result: those with a weight, and the first if it leads."""
        return [n for n, weight in enumerate(weights) if weight or (n == 0 and self.align.leads)]

    def rows_by_children(
        self, weights: Sequence[Sequence[float]]
    ) -> dict[tuple[int, ...], list[int]]:
        """Group rows with `weights` [row][child] by the children that contribute to them."""
        rows: dict[tuple[int, ...], list[int]] = {}
        for row, row_weights in enumerate(weights):
            rows.setdefault(tuple(self.contributing(row_weights)), []).append(row)
        return rows


Node = FuseNode | ModelNode


class FuseTree:
    """The tree of a member: its `slots`, and the `root` node that fuses their models.

    Raises ModelError (E302) for a member that has no next-token distribution.
    """

    def __init__(self, model: Model, runners: Mapping[Checkpoint, AnyRunner]) -> None:
        self.slots: list[ModelSlot] = []
        self._runners = runners
        self._spaces: dict[AnyRunner, Space] = {}
        self.root = self._node(model, "", prompt=None, together=False)

    def nodes(self) -> list[Node]:
        """All nodes, parents before their children."""
        nodes: list[Node] = [self.root]
        for node in nodes:
            if isinstance(node, FuseNode):
                nodes.extend(node.children)
        return nodes

    def tokens_of_entries(self) -> list[Sequence[int]]:
        """For each slot, the token that writes each entry of the root's space.

        -1 for an entry that this model writes with several tokens.
        """
        tokens = {id(self.root): torch.arange(len(self.root.space))}
        for node in self._fuses():
            entries = tokens[id(node)]
            for n, child in enumerate(node.children):
                take = None if node.maps is None else node.maps[n].take
                child_tokens = entries if take is None else take[entries].where(entries >= 0, -1)
                tokens[id(child)] = child_tokens
        return self._by_slot(tokens)

    def entries_of_tokens(self) -> list[Sequence[int]]:
        """For each slot, the entry of the root's space that each of its tokens stands for.

        The number after the last entry for a token that stands for none.
        """
        none = torch.tensor([len(self.root.space)])
        entries = {id(self.root): torch.arange(len(self.root.space) + 1)}
        for node in self._fuses():
            node_entries = entries[id(node)]
            for n, child in enumerate(node.children):
                give = None if node.maps is None else node.maps[n].give
                child_entries = (
                    node_entries if give is None else torch.cat([node_entries[give], none])
                )
                entries[id(child)] = child_entries
        return self._by_slot(entries)

    def _fuses(self) -> list[FuseNode]:
        return [node for node in self.nodes() if isinstance(node, FuseNode)]

    def _by_slot(self, tables: Mapping[int, Tensor]) -> list[Sequence[int]]:
        """The tables of the model nodes in the order of slots, as numbers on the host."""
        models = {node.slots.start: node for node in self.nodes() if isinstance(node, ModelNode)}
        ordered = [tables[id(models[n])] for n in range(len(models))]
        return [array("q", table.numpy().tobytes()) for table in ordered]

    def _node(self, model: Model, name: str, *, prompt: Renders | None, together: bool) -> Node:
        match model:
            case Prompted():
                return self._node(model.model, name, prompt=model.template, together=together)
            case Checkpoint():
                return self._model_node(model, name, prompt, together=together)
            case TokenFuse():
                return self._fuse_node(model, prompt, together=together)
            case _ if not name:
                text = f"`{model.name}` puts texts together, so it has no score for each token"
                raise ModelError("E302", text, "ask a single model, or a `token_fuse`")
            case _:
                text = (
                    "`span_fuse`, `byte_fuse`, `string_fuse` and `handoff` cannot be members of "
                    "`token_fuse`"
                )
                raise ModelError(
                    "E302", text, "put the `token_fuse` inside, and the other fuse around it"
                )

    def _model_node(
        self, model: Checkpoint, name: str, prompt: Renders | None, *, together: bool
    ) -> ModelNode:
        runner = self._runners[model]
        if runner not in self._spaces:
            self._spaces[runner] = space_of(runner.model)
        number = len(self.slots)
        pass_index = 0 if together else sum(slot.runner is runner for slot in self.slots)
        chat, processing = model.weights.chat, model.weights.processing
        adapter = runner.number(model)
        slot = ModelSlot(runner, name or model.name, chat, prompt, pass_index, processing, adapter)
        self.slots.append(slot)
        return ModelNode(self._spaces[runner], range(number, number + 1))

    def _fuse_node(self, fuse: TokenFuse, prompt: Renders | None, *, together: bool) -> FuseNode:
        start = len(self.slots)
        together = together or fuse.together
        children = tuple(
            self._node(member, name, prompt=prompt, together=together)
            for member, name in zip(fuse.members, fuse.names, strict=True)
        )
        members = [
            Member(name, child.space, self._model(child))
            for name, child in zip(fuse.names, children, strict=True)
        ]
        align, combine, weigh, gate = fuse.align, fuse.combine, fuse.weigh, fuse.gate
        assert isinstance(align, Align)
        assert isinstance(combine, Combine)
        assert isinstance(weigh, Weigh | None)
        assert isinstance(gate, Gate | None)
        return FuseNode(
            fuse.names,
            children,
            range(start, len(self.slots)),
            align.prepare(members, self.slots[0].runner.model.device),
            fuse.normalized_weights(),
            combine,
            fuse.plausible,
            None if weigh is None else weigh.prepare(members),
            None if gate is None else gate.prepare(members),
            fuse.leave,
            fuse.lazy,
            align.static and combine.static and gate is None and (weigh is None or weigh.static),
        )

    def _model(self, node: Node) -> TokenModel | None:
        """The model of a leaf; None for a fuse."""
        return self.slots[node.slots.start].runner.model if isinstance(node, ModelNode) else None

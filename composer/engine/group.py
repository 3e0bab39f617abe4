"""A group: models that give one next-token distribution together. One model is a group, too."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from composer.engine.distribution import Aligned, Distributions, MemberWeight, gather_rows
from composer.engine.fuse_tree import FuseNode, FuseTree, ModelNode
from composer.engine.processors import Raised, processor
from composer.engine.rows.remote import RemoteRunner
from composer.specs import WeightedFuse, bare
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from composer.engine.fuse_tree import Node
    from composer.engine.parts import Gate, Weigh
    from composer.engine.processors import Process
    from composer.engine.rows.runner import AnyRunner
    from composer.engine.space import Map
    from composer.specs import Checkpoint
    from composer.values.details import TokenDetail
    from composer.values.flow import Model
    from composer.values.processing import Processing

__all__ = ["Group", "MemberView"]


class MemberView(NamedTuple):
    """What some members of a fuse say of some rows, aligned with one another, and their weights.

    `members` are their numbers in the fuse; `own` distributions over their own entries, `aligned`
    ones and `weights` have one for each, in order.
    """

    rows: Sequence[int]
    members: Sequence[int]
    own: Sequence[Distributions]
    aligned: Aligned
    weights: Sequence[MemberWeight]


class Group:
    """A member of a recipe with its models in memory; it gives one distribution a row.

    `runners` has its models in memory, `slots` are their places, `root` the tree that fuses them.
    An entry is a token of the shared vocabulary `space`, over which the group's distribution
    ranges. For a single model, entries are its own tokens.
    """

    def __init__(self, model: Model, runners: Mapping[Checkpoint, AnyRunner]) -> None:
        self._tree = FuseTree(model, runners)
        self.runners = runners
        self._processors: dict[Processing, tuple[Process | None, ...]] = {}
        self._raised: dict[Processing, tuple[Raised, ...]] = {}
        self._maps: dict[tuple[FuseNode, int], Map] = {}
        self.slots = self._tree.slots
        self.root = self._tree.root
        self.space = self.root.space
        self.device = self.slots[0].runner.model.device

    @cached_property
    def gate(self) -> Gate | None:
        """Decides at which tokens the members after the first contribute; None for at all."""
        return self.root.gate if isinstance(self.root, FuseNode) else None

    @property
    def is_linear(self) -> bool:
        """Whether a probability of the fuse is made of the members' for the same entry alone."""
        return isinstance(self.root, FuseNode) and self.root.combine.linear

    @property
    def fuses(self) -> list[FuseNode]:
        """All fuses of the tree, the outermost first."""
        return [node for node in self._tree.nodes() if isinstance(node, FuseNode)]

    @cached_property
    def weighing_slots(self) -> frozenset[int]:
        """The slots from whose last hidden states the weights of a fuse follow."""
        reading = (
            node for node in self.fuses if node.weigh is not None and node.weigh.reads_hidden
        )
        return frozenset(node.slots.start for node in reading)

    @cached_property
    def lazy(self) -> bool:
        """Whether members behind the gate read only where it opens."""
        return isinstance(self.root, FuseNode) and self.root.lazy

    @property
    def prompt_weigh(self) -> Weigh | None:
        """Computes the members' weights from the prompt; None if they are fixed."""
        weigh = self.root.weigh if isinstance(self.root, FuseNode) else None
        return weigh if weigh is not None and weigh.once else None

    @property
    def member_count(self) -> int:
        """How many members the outermost fuse has; 1 for a single model."""
        return len(self.root.children) if isinstance(self.root, FuseNode) else 1

    def weights(self, model: Model) -> tuple[float, ...]:
        """The normalized weights of a model of this group; (1,) for a single model."""
        inner = bare(model)
        return inner.normalized_weights() if isinstance(inner, WeightedFuse) else (1.0,)

    def weights_without(self, slot: int, weights: Sequence[float]) -> tuple[float, ...] | None:
        """Weights without the member of a slot, normalized; None if the member must stay."""
        root = self.root
        if not isinstance(root, FuseNode) or not root.leave:
            return None
        member = next(n for n, child in enumerate(root.children) if slot in child.slots)
        rest = [0.0 if n == member else weight for n, weight in enumerate(weights)]
        if root.gate is not None:
            rest[0] = rest[0] if any(rest) else 1.0
        total = 0.0 if root.gate is not None and member == 0 else sum(rest)
        return tuple(weight / total for weight in rest) if total > 0 else None

    def running_slots(self, weights: Sequence[float]) -> list[int]:
        """The slots that must run for these member weights: those that change the result."""
        if isinstance(self.root, ModelNode):
            return [0]
        slots: list[int] = [] if self.gate is None else list(self.first_slots)
        nodes = [self.root.children[n] for n in self.root.contributing(weights)]
        while nodes:
            node = nodes.pop()
            if isinstance(node, ModelNode):
                slots.extend(node.slots)
            else:
                nodes.extend(node.children[n] for n in node.contributing(node.weights))
        return sorted(set(slots))

    def processors(self, processing: Processing) -> tuple[Process | None, ...]:
        """Each slot's logits processors for a request; None where there are none."""
        if processing not in self._processors:
            pairs = [(slot.runner.model, processing.over(slot.processing)) for slot in self.slots]
            self._processors[processing] = tuple(processor(*pair) for pair in pairs)
        return self._processors[processing]

    def raised(self, processing: Processing) -> tuple[Raised, ...]:
        """Each slot's tokens that the options of a request make likelier."""
        if processing not in self._raised:
            pairs = [(slot.runner.model, processing.over(slot.processing)) for slot in self.slots]
            self._raised[processing] = tuple(Raised.of(*pair) for pair in pairs)
        return self._raised[processing]

    @cached_property
    def token_of(self) -> list[Sequence[int]]:
        """For each slot, the token that writes each entry; -1 where it takes several tokens."""
        return self._tree.tokens_of_entries()

    @cached_property
    def entry_of(self) -> list[Sequence[int]]:
        """For each slot, the entry of each of its tokens; `len(space)` for none."""
        return self._tree.entries_of_tokens()

    def entries_of(self, slot: int, ids: Sequence[int]) -> list[int]:
        """The entries of one slot's tokens, without tokens that have none."""
        table = self.entry_of[slot]
        entries = [table[token] for token in ids if token < len(table)]
        return [entry for entry in entries if entry < len(self.space)]

    def demand_tokens(self, ids: Sequence[int]) -> None:
        """Raise ModelError (E402) for an id that the first model's tokenizer does not have."""
        model = self.slots[0].runner.model
        count = len(model.vocabulary)
        for token in ids:
            if not 0 <= token < count:
                raise ModelError(
                    "E402",
                    f"`{self.slots[0].name}` has no token with the id {token}",
                    f"ids go from 0 to {count - 1}",
                )

    def entries_of_ids(self, detail: TokenDetail | None) -> list[int]:
        """The entries of the ids of which details are wanted."""
        return [] if detail is None else self.entries_of(0, detail.ids)

    def entry_of_id(self, token: int) -> int | None:
        """The entry of a token of the first model; None where the group cannot write it."""
        return next(iter(self.entries_of(0, (token,))), None)

    def id_of_entry(self, entry: int) -> int | None:
        """The token of the first model that writes an entry; None where it takes several."""
        token = self.token_of[0][entry] if entry < len(self.space) else -1
        return token if token >= 0 else None

    def likely_entries(self, slot: int, logits: Tensor, count: int) -> list[int]:
        """The entries of a slot's likeliest tokens, by its logits [column] at one position."""
        own = logits[: len(self.entry_of[slot])]
        best = own.topk(min(count, len(own)))
        return self.entries_of(slot, best.indices[best.values > -math.inf].tolist())

    def bytes_of(self, entries: Sequence[int]) -> bytes:
        """The bytes that some entries write."""
        return b"".join(self.piece(entry) for entry in entries)

    def piece(self, entry: int) -> bytes:
        """The bytes that one entry writes; none for an end or a special token."""
        return (None if entry in self.space.ends else self.space.pieces[entry]) or b""

    def fuse(
        self, logits: Sequence[Tensor | None], weights: Sequence[Sequence[float]]
    ) -> Distributions:
        """Return the group's distribution for each row, over entries.

        `logits[slot]` are [row, width], or None if no row runs the slot; `weights` are
        [row][member].
        """
        return self._fuse(self.root, logits, weights)

    def fuse_members(
        self,
        members: Sequence[int],
        logits: Sequence[Tensor | None],
        weights: Sequence[Sequence[float]],
    ) -> Distributions:
        """Like `fuse`, for some members of the outermost fuse only; one column for each entry."""
        root = self.root
        if isinstance(root, FuseNode) and root.maps is None and len(members) == 1:
            alone = self._dense(root.children[members[0]], logits)
            return Distributions(alone.scores[:, : len(self.space)], alone.linear)
        return self.fuse(logits, weights).to_dense(len(self.space))

    def aligned(self, logits: Sequence[Tensor | None]) -> Aligned:
        """Each member's own distribution, all over the same columns."""
        root = self.root
        if isinstance(root, ModelNode):
            return Aligned([self._fuse(root, logits, None)], len(self.space))
        return root.align.align({n: self._dense(c, logits) for n, c in enumerate(root.children)})

    @cached_property
    def first_slots(self) -> list[int]:
        """The slots of the first member."""
        return list(self._first.slots)

    def first_distributions(self, logits: Sequence[Tensor | None]) -> Distributions:
        """The first member's distribution, over its own vocabulary."""
        return self._fuse(self._first, logits, None)

    def first_hidden_states(self, logits: Sequence[Tensor | None]) -> Tensor | None:
        """The last hidden states [row, size] behind the first member's logits; None if not read."""
        return self._hidden_states(self.first_slots[0], logits)

    def _hidden_states(self, slot: int, logits: Sequence[Tensor | None]) -> Tensor | None:
        """The last hidden states [row, size] behind a slot's logits; None if they are not read."""
        output, model = logits[slot], self.slots[slot].runner.model
        states = None if output is None else output[:, model.width :]
        return states if states is not None and states.shape[1] else None

    @property
    def _first(self) -> Node:
        """The first member's node."""
        return self.root.children[0] if isinstance(self.root, FuseNode) else self.root

    def _fuse(
        self, node: Node, logits: Sequence[Tensor | None], weights: Sequence[Sequence[float]] | None
    ) -> Distributions:
        """The distribution of a node; `weights` are [row][child], or None for the node's own."""
        if isinstance(node, ModelNode):
            output, runner = logits[node.slots.start], self.slots[node.slots.start].runner
            assert output is not None
            output = output.to(self.device)
            own = output[:, : len(node.space)]
            if not isinstance(runner, RemoteRunner):
                return Distributions(own)
            return Distributions(own, normalizer=output[:, : runner.columns].logsumexp(-1))
        views = self.views(node, logits, weights or (node.weights,))
        parts = [
            (view.rows, view.aligned.to_entries(node.combined(view.aligned, view.weights)))
            for view in views
        ]
        return gather_rows(parts, len(node.space))

    def views(
        self, node: FuseNode, logits: Sequence[Tensor | None], weights: Sequence[Sequence[float]]
    ) -> Iterator[MemberView]:
        """Align and weigh the members of a fuse; `weights` are [row][member].

        Rows that are aligned apart are in views of their own.
        """
        distributions = {
            n: self._dense(child, logits)
            for n, child in enumerate(node.children)
            if any(logits[slot] is not None for slot in child.slots)
        }
        reads_hidden = node.weigh is not None and node.weigh.reads_hidden
        hidden = self._hidden_states(node.slots.start, logits) if reads_hidden else None
        if not node.align.apart:
            yield self._view(node, range(len(weights)), distributions, weights, hidden)
            return
        for members, rows in node.rows_by_children(weights).items():
            selected = {n: d for n, d in distributions.items() if n in members}
            if len(rows) < len(weights):
                selected = {n: d.select(rows) for n, d in selected.items()}
            part = None if hidden is None else hidden[rows]
            yield self._view(node, rows, selected, [weights[row] for row in rows], part)

    def map_of(self, node: FuseNode, member: int) -> Map | None:
        """How a member's entries lie in those of its fuse, on the group's device; None if alike."""
        if node.maps is None:
            return None
        key = node, member
        if key not in self._maps:
            self._maps[key] = node.maps[member].to(self.device)
        return self._maps[key]

    def _view(
        self,
        node: FuseNode,
        rows: Sequence[int],
        distributions: Mapping[int, Distributions],
        weights: Sequence[Sequence[float]],
        hidden: Tensor | None,
    ) -> MemberView:
        """Align and weigh distributions of members; `weights` are [row][member]."""
        member_weights = [
            MemberWeight([row[n] for row in weights], self.device, n) for n in distributions
        ]
        aligned = node.align.align(distributions)
        aligned.hidden = hidden
        if node.weigh is not None:
            member_weights = node.weigh.weights(aligned, member_weights)
        own = list(distributions.values())
        return MemberView(rows, list(distributions), own, aligned, member_weights)

    def _dense(self, node: Node, logits: Sequence[Tensor | None]) -> Distributions:
        """The distribution of a node, one column for each entry of its space."""
        return self._fuse(node, logits, None).to_dense(len(node.space))

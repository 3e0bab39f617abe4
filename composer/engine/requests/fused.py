"""The family of requests that the fused distribution answers: one fusing, one transfer a group."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

import torch

from composer.engine.fault import drop_nan_member
from composer.engine.requests.base import Replies, StepRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from composer.engine.distribution import Distributions
    from composer.engine.group import Group
    from composer.engine.requests.reading import MemberLogits
    from composer.engine.sequence import MemberState

    AnyFused: TypeAlias = "FusedRequest[Any]"
    Asked = Sequence[tuple[AnyFused, MemberLogits]]

__all__ = ["FusedBatch", "FusedRequest", "member_logits"]

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class FusedBatch:
    """The fused distribution at all positions of some requests, and what it was made of.

    `logits` [position, width] are each leaf's, None for one that no position runs.
    """

    group: Group
    logits: Sequence[Tensor | None]
    fused: Distributions

    def reply(
        self, replies: Replies, request: FusedRequest[R], row: int, logprob: float, value: R
    ) -> None:
        """Reply, unless a log-probability at the request's positions is no number."""
        if math.isnan(logprob):
            rows = slice(row, row + request.position_count)
            replies.fail(request, drop_nan_member(request.sequence, self.logits, rows))
        else:
            replies.give(request, value)


class FusedRequest(StepRequest[R]):
    """A request for something of the fused distribution, at its positions; it has at least one."""

    __slots__ = ()

    @property
    def position_count(self) -> int:
        """At how many positions the distribution is wanted."""
        return 1

    @property
    def earlier_logits(self) -> Mapping[int, Tensor]:
        """Logits [position, width] of leaves that read in a step before."""
        return {}

    @property
    def weights(self) -> Sequence[float]:
        """What the members weigh."""
        return self.sequence.weights

    def logit_positions(self, slot: int, state: MemberState) -> tuple[Sequence[int], int]:
        """Logits are wanted after the last token."""
        del slot
        whole = len(state.ids)
        return (whole,), whole

    @classmethod
    def pass_gate(cls, group: Group, asked: Sequence[tuple[Self, MemberLogits]]) -> set[Self]:
        """Ask a group's gate; return those for whom other members have to read first."""
        del group, asked  # a gate is for those who write
        return set()

    @classmethod
    @abstractmethod
    def device_values(cls, fusion: FusedBatch, asked: Sequence[tuple[Self, int]]) -> list[Tensor]:
        """Numbers [n] that requests of this class want on the host; each with its first row."""

    @classmethod
    @abstractmethod
    def reply_values(
        cls,
        fusion: FusedBatch,
        asked: Sequence[tuple[Self, int]],
        values: Iterator[float],
        replies: Replies,
    ) -> None:
        """Reply by the numbers, which come in the order in which they were measured."""

    @classmethod
    def answer(cls, group: Group, asked: Asked) -> Replies:
        """Fuse all positions that are asked of a group, and bring the outcome to the host."""
        replies = Replies()
        if group.gate is not None:
            asked = _admitted(group, asked)
        if not asked:
            return replies
        counts = [request.position_count for request, _ in asked]
        weights = [
            request.weights
            for (request, _), count in zip(asked, counts, strict=True)
            for _ in range(count)
        ]
        logits = member_logits(group, asked)
        fusion = FusedBatch(group, logits, group.fuse(logits, weights))
        kinds: dict[type[AnyFused], list[tuple[AnyFused, int]]] = {}
        row = 0
        for (request, _), count in zip(asked, counts, strict=True):
            kinds.setdefault(type(request), []).append((request, row))
            row += count
        parts = [part for kind, some in kinds.items() for part in kind.device_values(fusion, some)]
        values = iter(torch.cat(parts).tolist())
        for kind, some in kinds.items():
            kind.reply_values(fusion, some, values, replies)
        return replies


def _admitted(group: Group, asked: Asked) -> Asked:
    """Those that can be answered now, in their order."""
    kinds: dict[type[AnyFused], list[tuple[AnyFused, MemberLogits]]] = {}
    for each in asked:
        kinds.setdefault(type(each[0]), []).append(each)
    waiting = {request for kind, some in kinds.items() for request in kind.pass_gate(group, some)}
    return [each for each in asked if each[0] not in waiting]


def member_logits(group: Group, asked: Asked) -> list[Tensor | None]:
    """For each leaf its logits [position, width]; positions that do not run it hold any."""
    return [_of_leaf(group, n, asked) for n in range(len(group.slots))]


def _of_leaf(group: Group, slot: int, asked: Asked) -> Tensor | None:
    """One leaf's logits [position, width]: out of its pass, or held since the gate opened."""
    places: list[int] = []
    held: list[Tensor] = []
    runs = False
    for request, logits in asked:
        count = request.position_count
        kept, start = request.earlier_logits.get(slot), logits.first_row(slot)
        if kept is not None:
            held.append(kept)
            places.append(-len(held))
        else:
            places.extend([0] * count if start is None else range(start, start + count))
        runs |= start is not None or kept is not None
    if not runs:
        return None
    out = asked[0][1].passes.get((group.slots[slot].runner, group.slots[slot].pass_index))
    if held:
        fresh = [] if out is None else [out[:, : held[0].shape[1]]]
        out = torch.cat([*fresh, *reversed(held)])
    if out is None or places == list(range(len(out))):
        return out
    return out[torch.tensor(places, device=out.device)]

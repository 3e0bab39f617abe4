"""Requests that the fused distribution answers: one fusion and one transfer to the host a group."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

from composer.engine.requests.base import Replies, StepRequest, drop_nan_member
from composer.engine.requests.details import Details
from composer.engine.requests.member_details import FusedRows
from composer.engine.rows.remote import RemoteRunner
from composer.heavy import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from torch import Tensor

    from composer.engine.fuse_tree import ModelSlot
    from composer.engine.group import Group
    from composer.engine.requests.reading import MemberLogits
    from composer.engine.sequence import MemberState
    from composer.values.details import TokenChoice, TokenDetail

    AnyFused: TypeAlias = "FusedRequest[Any]"
    RequestLogits = Sequence[tuple[AnyFused, MemberLogits]]

__all__ = ["FusedBatch", "FusedRequest", "member_logits"]

R = TypeVar("R")


@dataclass(frozen=True, eq=False, slots=True)
class FusedBatch(FusedRows):
    """The fused distribution at all positions of some requests, one row a position.

    `logits[slot]` [row, width] are what it was made of; None for a slot that no request runs.
    `details` are those of each class of requests, where any are wanted.
    """

    details: dict[type[AnyFused], Details] = field(default_factory=dict)

    def explain(
        self,
        kind: type[AnyFused],
        rows: Sequence[int],
        wanted: Sequence[TokenDetail | None],
        chosen: Tensor,
        logprobs: Tensor,
    ) -> list[Tensor]:
        """Return tensors [n] of what is wanted of rows in which an entry was chosen."""
        if not any(wanted):
            return []
        self.details[kind] = Details(self, rows, wanted, chosen, logprobs)
        return self.details[kind].parts

    def choices(self, kind: type[AnyFused], values: Iterator[float]) -> dict[int, TokenChoice]:
        """Take the numbers of `explain`; return choices by the places of its rows."""
        details = self.details.get(kind)
        return {} if details is None else details.read(values)

    def reply(
        self, replies: Replies, request: FusedRequest[R], row: int, logprob: float, value: R
    ) -> None:
        """Reply with a value; if its log-probability is NaN, fail and drop the member at fault.

        `row` is the first of the request's rows.
        """
        if math.isnan(logprob):
            rows = slice(row, row + request.position_count)
            replies.fail(request, drop_nan_member(request.sequence, self.logits, rows))
        else:
            replies.give(request, value)


class FusedRequest(StepRequest[R]):
    """A request that reads the fused distribution at one or more positions of its sequence."""

    __slots__ = ()

    @property
    def position_count(self) -> int:
        """At how many positions the distribution is wanted."""
        return 1

    @property
    def earlier_logits(self) -> Mapping[int, Tensor]:
        """Logits [position, width], by slot, of models that read in an earlier step."""
        return {}

    @property
    def weights(self) -> Sequence[float]:
        """The weights of the group's members for this request."""
        return self.sequence.weights

    @property
    def hidden_slots(self) -> frozenset[int]:
        """Those whose hidden states the weights of a fuse follow from."""
        return self.sequence.group.weighing_slots

    def logit_positions(self, slot: int, state: MemberState) -> tuple[Sequence[int], int]:
        """Logits are wanted after the last token."""
        del slot
        count = len(state.ids)
        return (count,), count

    @classmethod
    def pass_gate(cls, group: Group, requests: Sequence[tuple[Self, MemberLogits]]) -> set[Self]:
        """Ask the group's gate; return the requests for which other members must read first."""
        del group, requests  # only what generates asks a gate
        return set()

    @classmethod
    @abstractmethod
    def device_values(cls, batch: FusedBatch, requests: Sequence[tuple[Self, int]]) -> list[Tensor]:
        """Compute tensors [n] of numbers that the replies need, each request with its first row."""

    @classmethod
    @abstractmethod
    def reply_values(
        cls,
        batch: FusedBatch,
        requests: Sequence[tuple[Self, int]],
        values: Iterator[float],
        replies: Replies,
    ) -> None:
        """Reply to the requests; `values` gives the numbers of `device_values`, on the host."""

    @classmethod
    def answer(cls, group: Group, requests: RequestLogits) -> Replies:
        """Fuse the distributions at all positions of the requests, and reply to each."""
        replies = Replies()
        if group.gate is not None:
            requests = _through_gate(group, requests)
        if not requests:
            return replies
        counts = [request.position_count for request, _ in requests]
        weights = [
            request.weights
            for (request, _), count in zip(requests, counts, strict=True)
            for _ in range(count)
        ]
        logits = member_logits(group, requests)
        batch = FusedBatch(group, logits, weights, group.fuse(logits, weights))
        by_class: dict[type[AnyFused], list[tuple[AnyFused, int]]] = {}
        row = 0
        for (request, _), count in zip(requests, counts, strict=True):
            by_class.setdefault(type(request), []).append((request, row))
            row += count
        parts = [
            part for kind, rows in by_class.items() for part in kind.device_values(batch, rows)
        ]
        values = iter(torch.cat(parts).tolist())
        for kind, rows in by_class.items():
            kind.reply_values(batch, rows, values, replies)
        return replies


def _through_gate(group: Group, requests: RequestLogits) -> RequestLogits:
    """Return the requests that can be answered now, in their order."""
    by_class: dict[type[AnyFused], list[tuple[AnyFused, MemberLogits]]] = {}
    for request, logits in requests:
        by_class.setdefault(type(request), []).append((request, logits))
    waiting = {r for kind, pairs in by_class.items() for r in kind.pass_gate(group, pairs)}
    return [(request, logits) for request, logits in requests if request not in waiting]


def member_logits(group: Group, requests: RequestLogits) -> list[Tensor | None]:
    """Return each slot's logits [row, width] for all positions of the requests, on one device.

    None for a slot that no request runs; where only some run it, the rows of the others hold
    arbitrary values, which have weight 0.
    """
    found = (_slot_logits(group, slot, requests) for slot in range(len(group.slots)))
    return [None if each is None else each.to(group.device) for each in found]


def _slot_logits(group: Group, slot: int, requests: RequestLogits) -> Tensor | None:
    """Return one slot's logits [row, width], from this step's pass or kept from an earlier one."""
    places: list[int] = []
    earlier: list[Tensor] = []
    runs = False
    for request, logits in requests:
        count = request.position_count
        kept_logits = request.earlier_logits.get(slot)
        if kept_logits is None:
            kept_logits = logits.kept.get(slot)
        start = logits.first_row(slot)
        if kept_logits is not None:
            earlier.append(kept_logits)
            end = sum(map(len, earlier))
            places.extend(range(-end, count - end))
        else:
            places.extend([0] * count if start is None else range(start, start + count))
        runs |= start is not None or kept_logits is not None
    if not runs:
        return None
    output = _output_of_pass(group.slots[slot], requests)
    if earlier:
        this_pass = [] if output is None else [output[:, : earlier[0].shape[1]]]
        output = torch.cat([*this_pass, *reversed(earlier)])
    if output is None or places == list(range(len(output))):
        return output
    return output[torch.tensor(places, device=output.device)]


def _output_of_pass(slot: ModelSlot, requests: RequestLogits) -> Tensor | None:
    """Return the output of a slot's pass in this step."""
    if isinstance(slot.runner, RemoteRunner):
        return None
    key = slot.runner, slot.pass_index
    outputs = (logits.passes.get(key) for _, logits in requests)
    return next((output for output in outputs if output is not None), None)

"""The draws of one static step: its shape, and the numbers that its function reads."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

from composer.engine.sample import Columns, Kinds
from composer.engine.sequence import STATIC
from composer.engine.static.shape import Pass, Shape, rounded_cells, rounded_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.requests.draw import Draw
    from composer.engine.rows.attention import BatchedAttention
    from composer.engine.rows.runner import Runner
    from composer.engine.sequence import MemberState

__all__ = ["StaticBatch"]


class StaticBatch:
    """Draws of one group whose members have the same weights and each one token to read.

    `runners` are those of its slots, each once, in their order.
    """

    def __init__(self, requests: Sequence[Draw]) -> None:
        self.requests = requests
        self.group = requests[0].sequence.group
        self.states = [request.sequence.states for request in requests]
        slots = [self.group.slots[slot] for slot in self.states[0]]
        self.runners = [cast("Runner", each) for each in dict.fromkeys(s.runner for s in slots)]

    def reserve(self) -> None:
        """Make room for a token in all rows of the passes; it may fail for want of memory."""
        for table, one in zip(self.tables, self.shape.passes, strict=True):
            longest = max(row.length for row in table.live[: one.rows])
            table.reserve(max(one.reach, longest + 1))

    @cached_property
    def tables(self) -> list[BatchedAttention]:
        """The caches of the runners."""
        return [cast("BatchedAttention", runner.rows) for runner in self.runners]

    @cached_property
    def shape(self) -> Shape:
        """The shape of a step that holds these draws."""
        passes = tuple(map(self._pass, self.runners, self.tables))
        direct = len(passes) == len(self.states[0]) and self._alike(passes)
        return Shape(
            tuple(self.states[0]),
            self.requests[0].sequence.weights,
            passes,
            passes[0].rows if direct else rounded_rows(len(self.requests)),
            direct,
            Kinds.of([request.sampling for request in self.requests]),
        )

    def numbers(self) -> list[float]:
        """The input of the step, in the order of `Shape.parts`."""
        numbers: list[float] = []
        for runner, table, one in zip(self.runners, self.tables, self.shape.passes, strict=True):
            ids = [0] * one.rows
            for state in self._states(runner):
                ids[state.row.index] = state.ids[-1]
            lengths = [row.length for row in table.live[: one.rows]]
            numbers += [*ids, *lengths, *[0] * (one.rows - len(lengths))]
        return [*numbers, *self._rows(), *self._drawing()]

    @cached_property
    def places(self) -> list[int]:
        """The place of each draw among the requests of the step."""
        if not self.shape.direct:
            return list(range(len(self.requests)))
        return [next(iter(states.values())).row.index for states in self.states]

    def advance(self) -> None:
        """Note that every row has read its token."""
        for states in self.states:
            for state in states.values():
                state.row.length += 1
                state.counts.calls += 1

    def retreat(self, number: int) -> None:
        """Note that the rows of one draw have not read their token."""
        for state in self.states[number].values():
            state.row.length -= 1
            state.counts.calls -= 1

    def remark(self, text: str) -> None:
        """Let the answers that are written say something of this step."""
        for request in self.requests:
            request.sequence.remarks[STATIC] = text

    def _states(self, runner: Runner) -> list[MemberState]:
        """The states of all draws that a model reads."""
        return [s for states in self.states for s in states.values() if s.slot.runner is runner]

    def _pass(self, runner: Runner, table: BatchedAttention) -> Pass:
        rows = [state.row for state in self._states(runner)]
        lines = rounded_rows(max(row.index for row in rows) + 1)
        reach = rounded_cells(max(row.length for row in rows) + 1)
        return Pass(min(lines, table.most_rows), reach)

    def _alike(self, passes: Sequence[Pass]) -> bool:
        """Whether each draw has one place in all passes, which have equally many."""
        return len({one.rows for one in passes}) == 1 and all(
            len({state.row.index for state in states.values()}) == 1 for states in self.states
        )

    def _rows(self) -> list[int]:
        """Where each draw's row lies in the pass of each slot; nothing where it is its place."""
        if self.shape.direct:
            return []
        idle = [0] * (self.shape.count - len(self.requests))
        return [
            number
            for slot in self.shape.slots
            for number in (*(states[slot].row.index for states in self.states), *idle)
        ]

    def _drawing(self) -> list[float]:
        """What entries are drawn by, one list after another."""
        if not self.shape.drawing:
            return []
        table = [[0.0] * self.shape.count for _ in range(self.shape.drawing)]
        for place, request in zip(self.places, self.requests, strict=True):
            how = (*Columns.numbers(request.sampling), request.uniform)
            for column, number in zip(table, how, strict=True):
                column[place] = number
        return [number for column in table for number in column]

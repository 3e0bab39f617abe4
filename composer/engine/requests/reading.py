"""What each model reads for a request, and where the logits of its forward pass lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.engine.rows.remote import RemoteRunner
from composer.engine.rows.row import Feed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from torch import Tensor

    from composer.engine.rows.runner import Runner
    from composer.engine.sequence import MemberState

    ForwardPass = tuple[Runner, int]
    """One forward pass of an engine step: a model, and which of its passes in the step."""

__all__ = ["FAILED", "MemberLogits", "Reading", "chunk_size"]

FAILED = -1
"""The `first_row` of a reading that has no logits: its pass has not run, or failed."""

_CHUNK, _ON_GPU = 512, 2048  # a GPU needs more tokens until its passes cost what they compute


@dataclass(eq=False, slots=True)
class Reading:
    """What one model reads for one request: the tokens of `state` up to number `end`.

    Logits are wanted after the first p tokens for each p of `positions`; with `hidden`, the last
    hidden states, too. `first_row` is where they begin in the output of the pass.
    """

    slot: int
    state: MemberState
    positions: Sequence[int]
    end: int
    hidden: bool
    first_row: int = FAILED

    @property
    def tokens_before(self) -> int:
        """How many unread tokens stand before the first one whose logits are wanted."""
        return (self.positions[0] - 1 if self.positions else self.end) - self.state.row.length

    @property
    def needs_chunks(self) -> bool:
        """Whether so many tokens stand before that they are read in chunks, one a step."""
        return self.tokens_before > self._chunk

    @property
    def _chunk(self) -> int:
        return chunk_size(self.state.slot.runner.model.device)

    @property
    def is_remote(self) -> bool:
        """Whether a server reads it."""
        return isinstance(self.state.slot.runner, RemoteRunner)

    @property
    def forward_pass(self) -> ForwardPass:
        """The pass that reads it."""
        runner = self.state.slot.runner
        assert not isinstance(runner, RemoteRunner)
        return runner, self.state.slot.pass_index

    def rewind(self) -> None:
        """Cut the row back if logits are wanted of tokens that it has read already."""
        row = self.state.row
        if self.positions and self.positions[0] <= row.length:
            self.state.slot.runner.rows.crop(row, self.positions[0] - 1)

    def feed(self) -> Feed:
        """All tokens to read."""
        row = self.state.row
        keep = [position - 1 - row.length for position in self.positions]
        return Feed(row, self.state.ids[row.length : self.end], keep)

    def chunk(self) -> Feed:
        """The first chunk of the tokens to read."""
        start = self.state.row.length
        return Feed(self.state.row, self.state.ids[start : start + self._chunk], ())


def chunk_size(device: torch.device) -> int:
    """Return how many prompt tokens one step reads, so that rows that write wait for no more."""
    return _ON_GPU if device.type == "cuda" else _CHUNK


@dataclass(eq=False, slots=True)
class MemberLogits:
    """The logits of one request's models: its readings, and the outputs of the step's passes.

    `kept` are logits [position, column], by slot, that came earlier or from a server.
    """

    readings: Sequence[Reading]
    passes: Mapping[ForwardPass, Tensor | None]
    kept: dict[int, Tensor] = field(default_factory=dict)

    def keep(self) -> None:
        """Copy the outputs of the step's passes, to be used in a later step."""
        self.kept = {slot: rows.clone() for slot, rows in self.by_slot().items()}

    def first_row(self, slot: int) -> int | None:
        """Where a slot's logits begin in the output of its pass; None if it did not read."""
        if slot in self.kept:
            return None
        return next((reading.first_row for reading in self.readings if reading.slot == slot), None)

    def by_slot(self) -> dict[int, Tensor]:
        """Logits [position, column], by slot; hidden states follow the logits where wanted."""
        logits = dict(self.kept)
        for reading in self.readings:
            if reading.slot in logits or reading.is_remote or not reading.positions:
                continue
            output = self.passes.get(reading.forward_pass)
            if output is not None:
                columns = None if reading.hidden else reading.state.slot.runner.columns
                rows = slice(reading.first_row, reading.first_row + len(reading.positions))
                logits[reading.slot] = output[rows, :columns]
        return logits

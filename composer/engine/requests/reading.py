"""What each model reads for a request, and the logits that its pass gives there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.engine.rows.row import Feed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from composer.engine.rows.runner import Runner
    from composer.engine.sequence import MemberState

    Pass = tuple[Runner, int]
    """A model's forward pass of one engine step, of which fuses of one model may need several."""

__all__ = ["MemberLogits", "Reading"]

_CHUNK = 512  # prompt tokens of one row in one tick: others need not wait for more


@dataclass(eq=False, slots=True)
class Reading:
    """What one model reads for one request: up to `end`, with logits after `marks` tokens.

    `hidden` says whether last hidden states are wanted behind the logits.
    """

    slot: int
    state: MemberState
    positions: Sequence[int]
    end: int
    hidden: bool
    first_row: int = -1  # where its logits begin in the pass's

    @property
    def tokens_before(self) -> int:
        """Tokens to be read before those whose logits are wanted."""
        return (self.positions[0] - 1 if self.positions else self.end) - self.state.row.length

    @property
    def needs_chunks(self) -> bool:
        """Whether so much is to be read before that another tick is better."""
        return self.tokens_before > _CHUNK

    @property
    def forward_pass(self) -> Pass:
        """The pass that reads it."""
        return self.state.slot.runner, self.state.slot.pass_index

    def rewind(self) -> None:
        """Cut the row back where logits are wanted of what it has read."""
        row = self.state.row
        if self.positions and self.positions[0] <= row.length:
            self.state.slot.runner.rows.crop(row, self.positions[0] - 1)

    def feed(self) -> Feed:
        """All that is to be read."""
        row = self.state.row
        keep = [mark - 1 - row.length for mark in self.positions]
        return Feed(row, self.state.ids[row.length : self.end], keep)

    def chunk(self) -> Feed:
        """A first part of what is to be read."""
        start = self.state.row.length
        return Feed(self.state.row, self.state.ids[start : start + _CHUNK], ())


@dataclass(eq=False, slots=True)
class MemberLogits:
    """The logits of one request's leaves, where they lie in the step's passes."""

    readings: Sequence[Reading]
    passes: Mapping[Pass, Tensor | None]

    def first_row(self, slot: int) -> int | None:
        """Where a leaf's logits begin in its pass's; None if it did not read."""
        return next((reading.first_row for reading in self.readings if reading.slot == slot), None)

    def by_slot(self) -> dict[int, Tensor]:
        """Logits [mark, width] of the leaves whose logits are wanted; behind them hidden states."""
        found: dict[int, Tensor] = {}
        for reading in self.readings:
            out = self.passes.get(reading.forward_pass)
            if reading.positions and out is not None:
                width = None if reading.hidden else reading.state.slot.runner.model.width
                found[reading.slot] = out[
                    reading.first_row : reading.first_row + len(reading.positions), :width
                ]
        return found

"""The function of a static step: from tokens to drawn entries, by work that shapes alone decide."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

import torch

from composer.engine.rows.fixed_pass import fixed_pass
from composer.engine.sample import Columns, draw_all
from composer.engine.static.compiling import compiled
from composer.engine.static.passes import CapturedPass
from composer.engine.static.streams import side_by_side

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from composer.engine.group import Group
    from composer.engine.rows.attention import BatchedAttention
    from composer.engine.rows.runner import Runner
    from composer.engine.static.compiling import PassFunction
    from composer.engine.static.shape import Shape

__all__ = ["StaticStep"]


class StaticStep:
    """One decode step of a group for a shape; `runners` are those of `Shape.passes`.

    Calling it reads one token with each row of the passes, brings the members together and draws an
    entry for each request. Nothing is read back from the device, and no other thing is changed
    than the cells of the rows. With `captures` each pass is a CUDA graph of its own, as is needed
    where models lie on several GPUs; `failures` says why one is not.
    """

    def __init__(
        self, group: Group, shape: Shape, runners: Sequence[Runner], *, captures: bool = False
    ) -> None:
        self.shape = shape
        self.failures: list[str] = []
        self._group, self._runners = group, runners
        number = {runner: n for n, runner in enumerate(runners)}
        self._passes: list[PassFunction] = [
            partial(_logits, runner, one.reach)
            for runner, one in zip(runners, shape.passes, strict=True)
        ]
        if captures:
            self._passes = [
                CapturedPass(read, runner.model.device, self.failures.append)
                for read, runner in zip(self._passes, runners, strict=True)
            ]
        self._pass_of = {s: number[cast("Runner", group.slots[s].runner)] for s in shape.slots}

    def __call__(self, numbers: Tensor) -> Tensor:
        """Return entries and their log-probabilities [2, request], float64.

        `numbers` are the input in the order of `Shape.parts`, float64, on the group's device.
        """
        parts = iter(numbers.split_with_sizes(self.shape.parts))
        outputs = self._read(parts)
        logits: list[Tensor | None] = [None] * len(self._group.slots)
        for slot, number in self._pass_of.items():
            output = outputs[number]
            logits[slot] = output if self.shape.direct else output[next(parts).long()]
        fused = self._group.fuse(logits, [self.shape.weights] * self.shape.count)
        columns = [part[:, None] for part in parts] or [numbers[:0, None]] * 5
        entries = draw_all(fused, Columns(*columns[:4]), columns[4], self.shape.kinds)
        rows = torch.arange(len(entries), device=entries.device)
        return torch.stack((entries.double(), fused.logprobs_of(rows, entries).double()))

    def _read(self, parts: Iterator[Tensor]) -> list[Tensor]:
        """Run the passes side by side; return the logits [row, width] of each, on one device."""
        tasks = [
            (runner.model.device, partial(read, next(parts), next(parts)))
            for runner, read in zip(self._runners, self._passes, strict=True)
        ]
        return side_by_side(self._group.device, tasks)

    def compile(self, numbers: Tensor) -> None:
        """Compile the passes, which read the tokens of these numbers once more; see `compiled`."""
        parts = iter(numbers.split_with_sizes(self.shape.parts))
        self._passes = [compiled(read, next(parts), next(parts)) for read in self._passes]


def _logits(runner: Runner, reach: int, ids: Tensor, positions: Tensor) -> Tensor:
    """Run the pass of one model; return float logits [row, width] on its device."""
    rows, device = cast("BatchedAttention", runner.rows), runner.model.device
    read, places = (each.to(device, torch.long, non_blocking=True) for each in (ids, positions))
    return fixed_pass(rows, read, places, reach)[:, : runner.model.width].float()

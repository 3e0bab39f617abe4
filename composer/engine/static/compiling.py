"""Compiled passes: when they pay, by saved timings, and how they are made.

A pass of fixed shapes is traced into its operations, which torch.compile turns into fewer kernels.
That takes seconds to minutes for each shape, so a step is compiled only when it has run so often
that compiling at its first run would have paid: at worst it costs twice what the best choice would.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from composer.specs.shapes import shape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from composer.engine.static.batch import StaticBatch
    from composer.values.timings import CompiledTime, Timings

    PassFunction = Callable[[Tensor, Tensor], Tensor]
    """A pass: from ids and positions to logits."""

__all__ = ["compiled", "runs_to_pay"]


def compiled(function: PassFunction, ids: Tensor, positions: Tensor) -> PassFunction:
    """Compile a pass for inputs like these; it runs once meanwhile.

    Raises what torch.compile does where it cannot, as on a CPU without a C++ compiler.
    """
    from torch.fx.experimental.proxy_tensor import make_fx  # slow to import

    operations = make_fx(function, tracing_mode="real")(ids, positions)
    made: PassFunction = torch.compile(operations, fullgraph=True, dynamic=False)
    made(ids, positions)
    return made


def runs_to_pay(batch: StaticBatch, timings: Timings | None) -> float:
    """Return after how many runs a step is compiled, by the timings of its models."""
    if timings is None:
        return math.inf
    gain = spent = 0.0
    for runner, one in zip(batch.runners, batch.shape.passes, strict=True):
        device = str(runner.model.device)
        model = next(each for each, own in batch.group.runners.items() if own is runner)
        saved = timings.of(shape_of(model, device) or "", device)
        time = None if saved is None else _time_of(saved.compiled, one.rows)
        if time is None or not time.pays:
            return math.inf
        gain += time.plain - time.seconds
        spent += time.compiling
    return spent / gain


def _time_of(times: Mapping[int, CompiledTime], rows: int) -> CompiledTime | None:
    """The timing of the fewest rows that are not fewer; compiling gains least for many."""
    return next((times[count] for count in sorted(times) if count >= rows), None)

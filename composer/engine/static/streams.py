"""Work of several models at the same time: on GPUs, each has a stream of its own."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

__all__ = ["side_by_side"]

Task = tuple[torch.device, "Callable[[], Tensor]"]
"""What is computed, and the device that computes it."""


def side_by_side(home: torch.device, tasks: Sequence[Task]) -> list[Tensor]:
    """Compute each task in a stream of its own; return the outputs on `home`, whose stream waits.

    What they read must be in `home`'s present stream. One task alone, and tasks of other devices
    than GPUs, are computed as they are.
    """
    if home.type != "cuda" or len(tasks) == 1:
        return [work().to(home) for _, work in tasks]
    here = torch.cuda.current_stream(home)
    streams = [_streams(device)[number] for number, (device, _) in enumerate(tasks)]
    outputs = []
    for stream, (_, work) in zip(streams, tasks, strict=True):
        stream.wait_stream(here)
        with torch.cuda.stream(stream):
            outputs.append(work())
    # Only now: `here` waits for a copy from another GPU, and a task that began later for `here`.
    for number, stream in enumerate(streams):
        with torch.cuda.stream(stream):
            outputs[number] = outputs[number].to(home)
        here.wait_stream(stream)
    # An output's memory goes back to its own stream, which waits for `here` before it is used anew.
    return outputs


@cache
def _streams(device: torch.device) -> defaultdict[int, torch.cuda.Stream]:
    """The streams of a device by number, made when they are first asked for."""
    return defaultdict(lambda: torch.cuda.Stream(device))  # type: ignore[no-untyped-call]

"""A function of fixed shapes and its memory: run as it is, or as a captured CUDA graph."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol, TypeAlias

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    PoolHandle: TypeAlias = "torch.cuda._POOL_HANDLE"  # noqa: SLF001  # the type of its argument
    Replay: TypeAlias = Callable[[], object]

__all__ = ["WARM", "Launcher", "capture", "summary"]

WARM = 2
"""Runs before a capture: libraries set themselves up, tables are made."""


def capture(
    run: Callable[[], Tensor], device: torch.device, pool: PoolHandle | None = None
) -> tuple[Replay, Tensor]:
    """Capture a function on a GPU, in the present stream there, which must not be the default.

    Return what replays it, and its output, which a replay overwrites. Memory is of the `pool`.
    """
    graph = torch.cuda.CUDAGraph()
    stream = torch.cuda.current_stream(device)
    with torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
        output = run()
    return graph.replay, output


def summary(error: Exception) -> str:
    """Return the kind of an error, and the first line of its message."""
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])


class Step(Protocol):
    """What a launcher runs: a function of fixed shapes that can be compiled.

    `failures` says what it could not do as it should.
    """

    failures: list[str]

    def __call__(self, numbers: Tensor) -> Tensor:
        """Compute the outputs."""

    def compile(self, numbers: Tensor) -> None:
        """Compile what can be, for inputs like these."""


class Launcher:
    """Runs a step from `count` numbers to a tensor of `size`, all float64, on one device.

    Numbers go to the device by one copy, from memory that the device can read without the
    processor. With `captures` the third run is captured as a CUDA graph, whose memory is of `pool`,
    and later ones replay it. After `compile_at` runs the step is compiled, and captured anew. If
    that fails, `failure` says why, and the step runs as it is.
    """

    def __init__(  # noqa: PLR0913  # what it runs, and where
        self,
        step: Step,
        count: int,
        size: Sequence[int],
        device: torch.device,
        pool: PoolHandle | None = None,
        *,
        captures: bool = False,
        compile_at: float = math.inf,
    ) -> None:
        self.failure: str | None = None
        self.step, self._pool, self._captures = step, pool, captures
        self._compile_at, self._capture_at = compile_at, WARM if captures else math.inf
        on_gpu = device.type == "cuda"
        self._staging = torch.empty(count, dtype=torch.float64, pin_memory=on_gpu)
        self._inputs = torch.empty(count, dtype=torch.float64, device=device)
        # not of the graph's pool, whose memory other graphs write to
        self._outputs = torch.empty(tuple(size), dtype=torch.float64, device=device)
        self._stream = torch.cuda.Stream(device) if on_gpu else None  # type: ignore[no-untyped-call]
        self._replay: Replay | None = None
        self._runs = 0

    def run(self, numbers: Sequence[float]) -> Tensor:
        """Begin a run; return its outputs, which the next run overwrites.

        The numbers of a run may be written only when the outputs of the last have been read.
        """
        self._staging.copy_(torch.tensor(numbers, dtype=torch.float64))
        if self._stream is None:
            self._inputs.copy_(self._staging)
            self._launch()
            return self._outputs
        here = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(here)
        with torch.cuda.stream(self._stream):
            self._inputs.copy_(self._staging, non_blocking=True)
            self._launch()
        here.wait_stream(self._stream)
        return self._outputs

    def _launch(self) -> None:
        if self._runs >= self._compile_at:
            self._compile()
        if self._runs >= self._capture_at:
            self._capture()
        self._runs += 1
        (self._replay or self._compute)()

    def _compute(self) -> Tensor:
        return self._outputs.copy_(self.step(self._inputs))

    def _compile(self) -> None:
        """Compile the step; it is not tried again if it fails."""
        self._compile_at = math.inf
        try:
            self.step.compile(self._inputs)
        except Exception as error:  # noqa: BLE001  # whatever it is, the step runs without
            self.failure = f"it is not compiled: {summary(error)}"
            return
        self._replay = None
        self._capture_at = self._runs + WARM if self._captures else math.inf

    def _capture(self) -> None:
        """Capture the step; it is not tried again if it fails."""
        self._capture_at = math.inf
        try:
            self._replay, _ = capture(self._compute, self._outputs.device, self._pool)
        except Exception as error:  # noqa: BLE001  # as above
            self.failure = f"it is not replayed as a CUDA graph: {summary(error)}"

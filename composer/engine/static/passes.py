"""The pass of one model as a graph of its own, where a step's models lie on several GPUs.

One CUDA graph is of one device. So each model's pass is captured by itself, and the rest of the
step runs as it is: bringing members together and drawing are few kernels beside those of passes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from composer.engine.static.capture import WARM, capture, summary

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from composer.engine.static.capture import Replay
    from composer.engine.static.compiling import PassFunction

    Capture = Callable[[Callable[[], Tensor], torch.device], tuple[Replay, Tensor]]

__all__ = ["CapturedPass"]


class CapturedPass:
    """Runs a pass on its device; from the third run on it replays what it did.

    Tokens and positions are copied to memory that stays. `tell` is told why it is not captured, if
    that fails; then it runs as it is.
    """

    def __init__(
        self,
        read: PassFunction,
        device: torch.device,
        tell: Callable[[str], None],
        record: Capture = capture,
    ) -> None:
        self._read, self._device = read, device
        self._tell, self._record = tell, record
        self._inputs: list[Tensor] = []
        self._captured: tuple[Replay, Tensor] | None = None
        self._left: float = WARM

    def __call__(self, ids: Tensor, positions: Tensor) -> Tensor:
        """Return logits [row, width], which the next call overwrites."""
        given = ids, positions
        if not self._inputs:
            self._inputs = [torch.empty_like(each, device=self._device) for each in given]
        for place, each in zip(self._inputs, given, strict=True):
            place.copy_(each, non_blocking=True)
        if self._left <= 0:
            self._capture()
        self._left -= 1
        if self._captured is None:
            return self._compute()
        replay, logits = self._captured
        replay()
        return logits

    def _compute(self) -> Tensor:
        ids, positions = self._inputs
        return self._read(ids, positions)

    def _capture(self) -> None:
        """Capture the pass; it is not tried again if it fails."""
        self._left = float("inf")
        try:
            self._captured = self._record(self._compute, self._device)
        except Exception as error:  # noqa: BLE001  # whatever it is, the pass runs as it is
            what = f"a pass on {self._device} is not replayed as a CUDA graph"
            self._tell(f"{what}: {summary(error)}")

"""A target that moves from the student's own distribution to the teachers'."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import Field

from composer.methods.distillation.base import Interpolation, Progress

__all__ = ["Gradual"]


class Gradual(Interpolation):
    """Move the target from the student to the teachers, as fast as the loss falls (TAID).

    The target is softmax((1 - t) log q + t log p), q the student's distribution now, p the
    teachers'. t goes from `start` to 1 at least as fast as the steps go by; where the loss falls it
    goes faster: by `rate` times sigmoid(m) (1 - t), m a mean of the relative falls of the loss with
    this `momentum`.
    """

    name: ClassVar[str] = "gradual"
    paper: ClassVar[str] = "arXiv:2501.16937"

    start: float = Field(default=0.4, ge=0, lt=1)
    rate: float = Field(default=5e-4, ge=0, le=1)
    momentum: float = Field(default=0.99, ge=0, lt=1)

    def begin(self) -> Progress:
        """Begin at `start`."""
        return Progress(part=self.start, loss=math.inf)

    def move(self, progress: Progress, loss: float, done: float) -> Progress:
        """Move on by the fall of the loss, and at least to where the steps are."""
        fall = 0.0 if math.isinf(progress.loss) else 1 - loss / max(progress.loss, 1e-12)
        trend = self.momentum * progress.trend + (1 - self.momentum) * fall
        further = self.rate / (1 + math.exp(-max(min(trend, 50.0), -50.0))) * (1 - progress.part)
        least = self.start + (1 - self.start) * done
        return Progress(part=min(1.0, max(least, progress.part + further)), trend=trend, loss=loss)

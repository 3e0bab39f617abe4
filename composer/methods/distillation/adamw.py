"""Training by AdamW, on documents in a seeded order."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from composer.methods.distillation.base import Training

__all__ = ["AdamW"]


class AdamW(Training):
    """Train all weights by AdamW, for so many `epochs`, with batches of so many texts.

    The learning rate rises to `rate` over the first `warmup` of all steps, then falls linearly to
    0. Gradients longer than `clip` are cut to it. Running text is cut into pieces of at most
    `length` tokens. The share `held_out` of the texts is not trained on; the loss there is measured
    `checks` times, and the weights with the lowest are kept. With `patience`, training stops after
    so many checks without a lower one.
    """

    name: ClassVar[str] = "adamw"
    paper: ClassVar[str] = "arXiv:1711.05101"

    epochs: float = Field(default=1.0, gt=0)
    batch: int = Field(default=8, ge=1)
    rate: float = Field(default=5e-5, gt=0)
    warmup: float = Field(default=0.03, ge=0, le=1)
    decay: float = Field(default=0.0, ge=0)
    clip: float = Field(default=1.0, gt=0)
    length: int = Field(default=256, ge=8)
    held_out: float = Field(default=0.05, ge=0, lt=1)
    checks: int = Field(default=10, ge=1)
    patience: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)

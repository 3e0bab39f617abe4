"""The shape of a model: what the time of its forward passes depends on, whatever its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.specs.content import json_digest

if TYPE_CHECKING:
    from composer.specs.models import Checkpoint

__all__ = ["shape_of"]


def shape_of(model: Checkpoint, device: str) -> str | None:
    """Return a digest of the tensors of a model, and of the numbers that they become on a device.

    Fine-tunes of one base have one shape. Adapters are not counted. None where the weights are not
    on this machine. Raises ModelError for files that are damaged.
    """
    if not model.in_engine:
        return None
    tensors = {name: [each.dtype, *each.shape] for name, each in model.tensors.items()}
    numbers = model.weights.dtype
    if (numbers, device) == ("auto", "cpu"):
        numbers = "float32"
    return json_digest([tensors, numbers])[:16] if tensors else None

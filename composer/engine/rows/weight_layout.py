"""How the weights of linear layers lie in memory on a CPU, so that they are read at full speed.

With few rows a step takes as long as its weights take to be read. MKL reads a matrix faster the
longer the runs are that lie together: a layer of 4864 x 896 in float32 at 15 GB/s with its rows
together, as torch makes it, and at 24 with its columns together; one of 896 x 4864 at 21 and 17. So
a large layer with at least as many outputs as inputs has its columns together. Only strides change:
shapes and numbers are the same. Timings of 1 to 128 rows, on one thread and two, are behind this;
nothing is timed at run time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["lay_out", "lies_by_columns"]

_LARGE = 1 << 19  # bytes; smaller layers stay in the processor's cache, and gain nothing


def lay_out(module: torch.nn.Module) -> None:
    """Let the weights of a model's linear layers lie as they are read fastest, one after another.

    Layers that are small, quantized or on a GPU stay as they are; so do all without MKL, for which
    alone this was timed.
    """
    if not torch.backends.mkl.is_available():  # type: ignore[no-untyped-call]
        return
    for layer in module.modules():
        if type(layer) is torch.nn.Linear and _gains(layer.weight):
            with torch.inference_mode(mode=layer.weight.is_inference()):
                layer.weight.data = layer.weight.data.t().contiguous().t()


def lies_by_columns(weight: Tensor) -> bool:
    """Whether the columns of a matrix lie together, and its rows do not."""
    return not weight.is_contiguous() and weight.t().is_contiguous()


def _gains(weight: Tensor) -> bool:
    return (
        type(weight) is torch.nn.Parameter  # others are quantized
        and weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and weight.nbytes >= _LARGE
        and weight.shape[0] >= weight.shape[1]
        and weight.is_contiguous()
    )

"""How the weights of linear layers lie in memory on a CPU, so that they are read at full speed.

With few rows a step takes as long as its weights take to be read. MKL reads a matrix faster the
longer the runs are that lie together: a layer of 4864 x 896 in float32 at 15 GB/s with its rows
together, as torch makes it, and at 24 with its columns together; one of 896 x 4864 at 21 and 17. So
a large layer with at least as many outputs as inputs has its columns together. Only strides change:
shapes and numbers are the same. Timings of 1 to 128 rows on one thread are behind this;
nothing is timed at run time.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

__all__ = ["joined", "lay_out", "lies_by_columns"]

_LARGE = 1 << 19  # bytes; smaller layers stay in the processor's cache, and gain nothing


def lay_out(module: torch.nn.Module) -> None:
    """Let the weights of a model's linear layers lie as they are read fastest, one after another.

    Layers that are small, quantized or on a GPU stay as they are; so do all without MKL, for which
    alone this was timed.
    """
    for layer in module.modules():
        if type(layer) is torch.nn.Linear and _gains(layer.weight):
            with torch.inference_mode(mode=layer.weight.is_inference()):
                layer.weight.data = layer.weight.data.t().contiguous().t()


def lies_by_columns(weight: Tensor) -> bool:
    """Whether the columns of a matrix lie together, and its rows do not."""
    return not weight.is_contiguous() and weight.t().is_contiguous()


def joined(weights: Sequence[Tensor]) -> Tensor:
    """Let weights [outputs, inputs] lie as parts of one matrix, one below the other; return it."""
    first, counts = weights[0], [len(each) for each in weights]
    shape = sum(counts), first.shape[1]
    starts = [n * first.stride(0) for n in accumulate(counts, initial=0)]
    start = first.storage_offset()
    if all(
        each.untyped_storage().data_ptr() == first.untyped_storage().data_ptr()
        and each.storage_offset() == start + offset
        and each.stride() == first.stride()
        for each, offset in zip(weights, starts, strict=False)
    ):
        return first.data.as_strided(shape, first.stride(), start)
    with torch.inference_mode(mode=first.is_inference()):
        whole = torch.cat([each.data for each in weights])
        whole = whole.t().contiguous().t() if _better_by_columns(whole) else whole
        for each, part in zip(weights, torch.split(whole, counts), strict=True):
            each.data = part
    return whole


def _gains(weight: Tensor) -> bool:
    return (
        type(weight) is torch.nn.Parameter  # others are quantized
        and weight.device.type == "cpu"
        and weight.is_contiguous()
        and _better_by_columns(weight)
    )


def _better_by_columns(weight: Tensor) -> bool:
    outputs, inputs = weight.shape
    large = weight.nbytes >= _LARGE and outputs >= inputs
    return large and weight.dtype == torch.float32 and _mkl()


def _mkl() -> bool:
    return bool(torch.backends.mkl.is_available())  # type: ignore[no-untyped-call]

"""Making the linear layers of a model smaller while it is loaded, by the library torchao."""

from __future__ import annotations

import ctypes
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch

from composer.checkpoints.quantize import group_of, layers_of
from composer.checkpoints.splits import Split
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

__all__ = ["capable", "quantized"]

CAPABILITIES = {"int4": (8, 0), "fp8": (8, 9)}
"""The compute capability from which a GPU has what a kind of numbers needs."""


def capable(quantize: str, device: torch.device, dtype: torch.dtype | str) -> None:
    """Raise ModelError (E505) for a device that cannot compute with such weights."""
    if device.type != "cuda":
        return
    option, here = f"`quantize = {quantize}`", torch.cuda.get_device_capability(device)
    least = CAPABILITIES.get(quantize, here)
    if here < least:
        has, needs = (".".join(map(str, each)) for each in (here, least))
        text = f"{option} needs a GPU of compute capability {needs}, and {device} has {has}"
        raise ModelError("E505", text, "write `quantize = int8`")
    if quantize == "int4" and dtype not in ("auto", torch.bfloat16):
        text = f"{option} computes in bfloat16 on a GPU"
        raise ModelError("E505", text, "write `dtype = bf16`, or leave out `dtype`")


def quantized(
    module: PreTrainedModel, folder: Path, quantize: str, dtype: torch.dtype, place: str
) -> PreTrainedModel:
    """Make the linear layers that `check` counts smaller, one by one; return the model.

    Each is moved to its device, as the place says, and changed into a type of numbers before that:
    how weights are packed depends on the device. What is no such layer is changed into that type if
    it is float32; else it has it already.
    """
    quantize_, split = import_module("torchao.quantization").quantize_, Split.of(place)
    for name, header in layers_of(folder).items():
        layer = module.get_submodule(name.removesuffix(".weight"))
        device = torch.device(place if split is None else split.device_of(name))
        layer.to(device=device, dtype=dtype)
        quantize_(layer, _how(quantize, header.shape[1], device))
        _give_back()
    for tensor in (*module.parameters(), *module.buffers()):
        if dtype == torch.float32 and tensor.dtype in (torch.float16, torch.bfloat16):
            tensor.data = tensor.data.float()
    return module


def _give_back() -> None:
    """Return freed memory to the system.

    What a layer was before is freed between layers that stay, in blocks too small to be returned by
    themselves: without this, a model of int8 takes twice its bytes after loading.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)


def _how(quantize: str, columns: int, device: torch.device) -> Any:  # noqa: ANN401 - of torchao
    """Return torchao's configuration for a layer; it is not to change settings of torch."""
    kinds = import_module("torchao.quantization")
    if quantize == "int8":
        return kinds.Int8WeightOnlyConfig(set_inductor_config=False)
    if quantize == "fp8":
        return kinds.Float8WeightOnlyConfig(set_inductor_config=False)
    options: dict[str, Any] = {"group_size": group_of(columns), "set_inductor_config": False}
    if device.type == "cuda":
        packed = "tile_packed_to_4d"
        return kinds.Int4WeightOnlyConfig(**options, int4_packing_format=packed)
    on_cpu = import_module("torchao.prototype.quantization.int4")
    return on_cpu.PrototypeInt4WeightOnlyConfig(**options)

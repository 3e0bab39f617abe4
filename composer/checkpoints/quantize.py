"""Weights that are made smaller while they are loaded: which layers, their bytes, what it takes.

The matrices of linear layers become whole numbers, or numbers of 8 bits, with a scale for each row
or for each group of a row. As transformers, bitsandbytes, GPTQ and AWQ do, the embedding and the
output layer stay as they are, and so does all that is no linear layer, such as the experts of a
mixture and the layers of GPT-2.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from composer.checkpoints.dtypes import bytes_as
from composer.checkpoints.expected import linear_layers
from composer.checkpoints.quantized import method_of
from composer.specs.content import Stamps, stamps
from composer.specs.headers import tensors_of
from composer.specs.json_files import read_json
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from composer.specs.headers import TensorHeader

__all__ = [
    "GROUPS",
    "Quantize",
    "bytes_in_memory",
    "group_of",
    "layers_of",
    "quantize_faults",
    "quantized_use",
]

Quantize = Literal["int8", "int4", "fp8"]
"""Whole numbers of 8 bits, whole numbers of 4 bits, floating-point numbers of 8 bits (e4m3)."""

GROUPS = (128, 64, 32)
"""How many numbers of a row share a scale with int4: the first of these that divides the row."""

ROWS = 16
"""The rows that int4 takes together, so that their number must be a multiple of this."""

SCALE = 4
"""The bytes of the scale of a row, with int8 and fp8."""


def layers_of(folder: Path) -> Mapping[str, TensorHeader]:
    """Return the matrices of the linear layers inside a model, by their names in its class."""
    return _layers(folder, stamps(folder))


@lru_cache(maxsize=256)
def _layers(folder: Path, _stamps: Stamps) -> Mapping[str, TensorHeader]:
    config = read_json(folder / "config.json")
    return linear_layers(str(config.get("model_type", "")), config, tensors_of(folder))


def bytes_in_memory(
    tensors: Mapping[str, TensorHeader], dtype: str, quantize: str | None, folder: Path | None
) -> int:
    """Return the bytes of weights in memory, in a type of numbers (`auto`: as they are stored).

    With `quantize` the linear layers of the model in the folder are smaller.
    """
    whole = bytes_as(dtype, tensors.values())
    if quantize is None or folder is None:
        return whole
    layers = layers_of(folder).values()
    saved = (bytes_as(dtype, [each]) - _quantized(each, quantize, dtype) for each in layers)
    return whole - sum(saved)


def _quantized(layer: TensorHeader, quantize: str, dtype: str) -> int:
    """Return the bytes of one matrix [rows, columns] and its scales."""
    rows, columns = layer.shape
    if quantize != "int4":
        return rows * columns + SCALE * rows
    groups = columns // (group_of(columns) or columns)
    pair = 2 * bytes_as(dtype, [layer]) // layer.count  # the scale and the zero of a group
    return rows * columns // 2 + pair * rows * groups


def group_of(columns: int) -> int | None:
    """Return how many numbers of a row of that length share a scale; None where none divides it."""
    return next((group for group in GROUPS if columns % group == 0), None)


def quantize_faults(folder: Path, quantize: str | None) -> Iterator[ModelError]:
    """Yield why a folder's weights cannot be quantized while they are loaded."""
    if quantize is None:
        return
    option = f"`quantize = {quantize}`"
    if find_spec("torchao") is None:
        text = f"{option} needs the package torchao"
        yield ModelError("E510", text, "`pip install 'ensemble-composer[quant]'`")
    if method_of(read_json(folder / "config.json")) not in (None, "gguf"):  # which is dequantized
        text = f"the weights in `{folder}` are quantized already"
        yield ModelError("E505", text, "leave out `quantize`")
        return
    layers = layers_of(folder)
    if not layers:
        text = f"{option} has no effect: no linear layers are found in `{folder}`"
        yield ModelError("E505", text, "leave out `quantize`, or use a smaller `dtype`")
    uneven = [name for name, each in layers.items() if quantize == "int4" and not _divides(each)]
    if uneven:
        rows, columns = layers[uneven[0]].shape
        text = (
            f"{option} takes layers of which the rows are a multiple of {ROWS} and the columns of "
            f"{GROUPS[-1]}; {uneven[0]} has {rows} x {columns}"
        )
        yield ModelError("E505", text, "write `quantize = int8`")


def quantized_use(quantize: str | None) -> tuple[str, ...]:
    """Name it for an identity."""
    return () if quantize is None else (f"quantize:{quantize}",)


def _divides(layer: TensorHeader) -> bool:
    rows, columns = layer.shape
    return rows % ROWS == 0 and group_of(columns) is not None

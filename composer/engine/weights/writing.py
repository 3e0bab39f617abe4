"""Writing a checkpoint tensor by tensor, so that few are in memory at a time."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from composer.engine.weights.tensors import FLOATS
from composer.specs.content import RELEVANT
from composer.specs.headers import LENGTH, read_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from torch import Tensor

    from composer.specs.headers import TensorHeader

__all__ = ["Construction", "write"]


@dataclass(frozen=True)
class Construction:
    """A checkpoint that is to be written.

    `headers` has its tensors in the order in which they are written, and `make` makes one of them
    when its turn comes. All files but the weights are copied from `files`; `config` has what is
    other than there in config.json.
    """

    files: Path
    headers: Mapping[str, TensorHeader]
    make: Callable[[str], Tensor]
    config: Mapping[str, Any] = field(default_factory=dict)


def write(folder: Path, checkpoint: Construction, dtype: str = "auto") -> None:
    """Write a checkpoint into an empty folder; `dtype` is its type of numbers."""
    _copy(checkpoint, folder, dtype)
    with (folder / "model.safetensors").open("wb") as stream:
        _write(stream, checkpoint)


def _copy(checkpoint: Construction, folder: Path, dtype: str) -> None:
    """Copy all but the weights, and write what is other in the configuration."""
    donor = checkpoint.files
    for file in sorted({file for kind in RELEVANT for file in donor.glob(kind)}):
        if file.suffix != ".safetensors" and not file.name.endswith(".index.json"):
            copy = folder / file.relative_to(donor)
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, copy)
    config = read_json(folder / "config.json")
    changed = dict(checkpoint.config)
    if dtype != "auto":
        changed |= {name: dtype for name in ("dtype", "torch_dtype") if name in config}
    if changed:
        text = json.dumps(config | changed, indent=2) + "\n"
        (folder / "config.json").write_text(text, encoding="utf-8")


def _write(stream: BinaryIO, checkpoint: Construction) -> None:
    """Write a safetensors file: its header, then one tensor after the other."""
    header = _header(checkpoint.headers)
    stream.write(len(header).to_bytes(LENGTH, "little") + header)
    for name, stored in checkpoint.headers.items():
        made = checkpoint.make(name)
        fitted = made.to(FLOATS.get(stored.dtype, made.dtype)).contiguous()
        stream.write(fitted.reshape(-1).view(torch.uint8).numpy().data)


def _header(tensors: Mapping[str, TensorHeader]) -> bytes:
    """Return the header of a safetensors file, filled up to whole words."""
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, header in tensors.items():
        start, end = end, end + header.bytes
        offsets = [start, end]
        entries[name] = {"dtype": header.dtype, "shape": header.shape, "data_offsets": offsets}
    text = json.dumps(entries, separators=(",", ":")).encode()
    return text + b" " * (-len(text) % LENGTH)

"""Writing a checkpoint tensor by tensor and file by file, so that few are in memory at a time."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from composer.atomic import atomic_file
from composer.engine.weights.tensors import FLOATS, is_finite
from composer.specs.content import RELEVANT
from composer.specs.headers import INDEX, LENGTH, SINGLE, read_json
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from composer.specs.headers import TensorHeader

__all__ = ["SHARD", "Construction", "write"]

SHARD = 5 * 10**9
"""The bytes of a file of weights, as many as transformers writes; a larger tensor has its own."""


OF_DONOR = (
    *(".index.json", "card.json", "trainer_state.json"),
    *("all_results.json", "eval_results.json", "train_results.json"),
)
"""How the names of files end that tell of the donor's own weights: they are not copied."""


@dataclass(frozen=True)
class Construction:
    """A checkpoint that is to be written.

    `headers` has its tensors in the order in which they are written, and `make` makes one of them
    when its turn comes: whole, or in pieces that follow one another. All files but the weights are
    copied from `files`; `config` has what is other than there in config.json, or all of it if it is
    the `whole`. `texts` are files that are written instead of those there.
    """

    files: Path
    headers: Mapping[str, TensorHeader]
    make: Callable[[str], Tensor | Iterable[Tensor]]
    config: Mapping[str, Any] = field(default_factory=dict)
    whole: bool = False
    texts: Mapping[str, str] = field(default_factory=dict)


def write(
    folder: Path,
    checkpoint: Construction,
    dtype: str = "auto",
    shard: int = SHARD,
    tell: Callable[[int], None] = lambda _: None,
) -> None:
    """Write a checkpoint into a folder; `dtype` is its type of numbers.

    A file of weights is there when it is whole, and one that is there is not written again. `shard`
    is how many bytes it may have. `tell` is called with the bytes that were written since.
    """
    _copy(checkpoint, folder, dtype)
    for torn in folder.glob("*.tmp"):  # of a process that was killed
        torn.unlink()
    shards = list(_shards(checkpoint.headers, shard))
    names = [_name(at, len(shards)) for at in range(len(shards))]
    for name, tensors in zip(names, shards, strict=True):
        if (folder / name).exists():
            tell(sum(each.bytes for each in tensors.values()))
            continue
        with atomic_file(folder / name, durable=True) as stream:
            _write(stream, checkpoint, tensors, tell)
    if len(names) > 1:
        text = json.dumps(_index(names, shards), indent=2) + "\n"
        (folder / INDEX).write_text(text, encoding="utf-8")


def _copy(checkpoint: Construction, folder: Path, dtype: str) -> None:
    """Copy all but the weights, and write what is other in the configuration."""
    donor = checkpoint.files
    for file in sorted({file for kind in RELEVANT for file in donor.glob(kind)}):
        if not (file.suffix == ".safetensors" or file.name.endswith(OF_DONOR)):
            copy = folder / file.relative_to(donor)
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, copy)
    config = {} if checkpoint.whole else read_json(folder / "config.json")
    changed = dict(checkpoint.config)
    if dtype != "auto":
        stated = config | changed
        changed |= {name: dtype for name in ("dtype", "torch_dtype") if name in stated}
    for name, content in checkpoint.texts.items():
        (folder / name).write_text(content, encoding="utf-8")
    if changed:
        text = json.dumps(config | changed, indent=2) + "\n"
        (folder / "config.json").write_text(text, encoding="utf-8")


def _shards(headers: Mapping[str, TensorHeader], most: int) -> Iterator[dict[str, TensorHeader]]:
    """Yield the tensors of each file in order: as many as fit, at least one."""
    held: dict[str, TensorHeader] = {}
    size = 0
    for name, header in headers.items():
        if held and size + header.bytes > most:
            yield held
            held, size = {}, 0
        held[name] = header
        size += header.bytes
    yield held


def _name(at: int, count: int) -> str:
    return SINGLE if count == 1 else f"model-{at + 1:05d}-of-{count:05d}.safetensors"


def _index(names: Sequence[str], shards: Sequence[Mapping[str, TensorHeader]]) -> dict[str, object]:
    """Return the index that says in which file each tensor is."""
    every = [header for tensors in shards for header in tensors.values()]
    sizes = {
        "total_parameters": sum(each.count for each in every),
        "total_size": sum(each.bytes for each in every),
    }
    places = {name: file for file, held in zip(names, shards, strict=True) for name in held}
    return {"metadata": sizes, "weight_map": places}


def _write(
    stream: BinaryIO,
    checkpoint: Construction,
    tensors: Mapping[str, TensorHeader],
    tell: Callable[[int], None],
) -> None:
    """Write a safetensors file: its header, then one tensor after the other."""
    header = _header(tensors)
    stream.write(len(header).to_bytes(LENGTH, "little") + header)
    for name, stored in tensors.items():
        made, count = checkpoint.make(name), 0
        for piece in (made,) if isinstance(made, Tensor) else made:
            data = _fitted(piece, stored, name)
            stream.write(data)
            count += len(data)
            tell(len(data))
        assert count == stored.bytes, f"{name}: {count} bytes were made, not {stored.bytes}"


def _fitted(piece: Tensor, stored: TensorHeader, name: str) -> memoryview:
    """Return the bytes of a piece of a tensor in the type of numbers in which it is stored."""
    fitted = piece.to(FLOATS.get(stored.dtype, piece.dtype)).contiguous()
    if stored.dtype in FLOATS and not is_finite(fitted):
        reason = "NaN" if not is_finite(piece) else f"numbers that are too large for {stored.dtype}"
        text = f"`{name}` would contain {reason}"
        raise ModelError(
            "E514", text, "use smaller coefficients, or a wider type: `dtype = float32`"
        )
    return fitted.reshape(-1).view(torch.uint8).numpy().data


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

"""Building models that are derived from others: a checkpoint in the user's cache, by content.

A checkpoint is written tensor by tensor into a folder of its own, which is renamed when it is
whole, by one process at a time. What is there is read again only if it is still what was written.
"""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch
from filelock import FileLock
from safetensors import safe_open

from composer.checkpoints.fingerprint import fingerprint
from composer.diagnostics.caches import MERGED, NAMES, cache_folder
from composer.engine.weights.room import make_room, used
from composer.quiet import quiet
from composer.specs import Derived, SpecError
from composer.specs.content import RELEVANT, folder_digest
from composer.specs.derived import merge_problems, recast
from composer.specs.digest import digest
from composer.specs.headers import LENGTH, read_json, shards, tensors_of
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import BinaryIO

    from torch import Tensor

    from composer.specs import Checkpoint, Weights
    from composer.specs.headers import TensorHeader

__all__ = ["built", "fetched", "opened"]

WHOLE = "whole"
"""The file of a built checkpoint that holds the digest of all the others."""

KINDS = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}


def opened(model: Checkpoint) -> Weights:
    """Return where the weights of a model lie; those of a derived one are built if need be."""
    weights = model.weights
    return replace(weights, location=str(built(model))) if isinstance(model, Derived) else weights


def built(model: Derived) -> Path:
    """Return the folder of a derived model, built now unless it was before."""
    donors = [fetched(opened(donor)) for donor in model.sources]
    content = [model.edit, model.coefficients, [folder_digest(donor) for donor in donors]]
    name = digest([*content, model.dtype])
    try:
        entry = cache_folder() / NAMES[MERGED] / name
        entry.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(entry.with_suffix(".lock")):
            whole = _is_whole(entry)
            if not whole:
                _build(model, donors, entry)
            used(entry)
        if not whole:
            make_room(entry.parent)
    except OSError as error:
        text = f"{model.name} cannot be built in the cache folder: {error}"
        raise ModelError(
            "E505", text, "free some space there, or set XDG_CACHE_HOME to another folder"
        ) from error
    return entry


def fetched(weights: Weights, files: Sequence[str] = RELEVANT) -> Path:
    """Return the folder of a checkpoint; if it is on a hub, these files are downloaded."""
    if weights.local:
        return Path(weights.location)
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    where, revision = weights.location, weights.revision
    shown = not are_progress_bars_disabled()
    try:
        with quiet():
            disable_progress_bars()
            folder = snapshot_download(where, revision=revision, allow_patterns=list(files))
    finally:
        if shown:  # to others, as before
            enable_progress_bars()
    return Path(folder)


def _is_whole(entry: Path) -> bool:
    """Say whether a folder is there and holds what was written."""
    mark = entry / WHOLE
    return mark.is_file() and mark.read_text("ascii", "replace") == folder_digest(entry)


def _build(model: Derived, donors: Sequence[Path], entry: Path) -> None:
    """Write a checkpoint beside its place, and move it there when it is whole."""
    _check(model, donors)
    for leftover in entry.parent.glob(f"{entry.name}-*"):  # of a process that was killed
        shutil.rmtree(leftover)
    with TemporaryDirectory(prefix=f"{entry.name}-", dir=entry.parent) as temporary:
        folder = Path(temporary) / entry.name
        folder.mkdir()
        _copy(donors[0], folder, model.dtype)
        with (folder / "model.safetensors").open("wb") as stream:
            _write(stream, model, donors)
        (folder / WHOLE).write_text(folder_digest(folder), encoding="ascii")
        if entry.exists():
            shutil.rmtree(entry)
        folder.rename(entry)


def _check(model: Derived, donors: Sequence[Path]) -> None:
    """Refuse donors that turn out to be unlike, or whose numbers are not the weights."""
    tensors = [tensors_of(donor) for donor in donors]
    problems = list(merge_problems(model.labels, tensors, list(map(_vocabulary, donors))))
    if problems:
        raise SpecError(problems)
    for name, folder in zip(model.labels, donors, strict=True):
        if "quantization_config" in read_json(folder / "config.json"):
            text = f"{name} is quantized, and quantized weights cannot be merged"
            raise ModelError("E505", text, "merge the checkpoint that it was quantized from")


def _vocabulary(folder: Path) -> str | None:
    return fingerprint(folder) if (folder / "tokenizer.json").is_file() else None


def _copy(donor: Path, folder: Path, dtype: str) -> None:
    """Copy all but the weights, and say in the configuration how these are stored."""
    for file in sorted({file for kind in RELEVANT for file in donor.glob(kind)}):
        if file.suffix != ".safetensors" and not file.name.endswith(".index.json"):
            copy = folder / file.relative_to(donor)
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, copy)
    if dtype != "auto":
        config = read_json(folder / "config.json")
        config |= {name: dtype for name in ("dtype", "torch_dtype") if name in config}
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _write(stream: BinaryIO, model: Derived, donors: Sequence[Path]) -> None:
    """Write a safetensors file: its header, then one tensor after the other."""
    tensors = recast(tensors_of(donors[0]), model.dtype)
    header = _header(tensors)
    stream.write(len(header).to_bytes(LENGTH, "little") + header)
    with ExitStack() as files:
        readers = [_readers(folder, files) for folder in donors]
        for name, stored in tensors.items():
            merged = _merged(model, name, [reader[name](name) for reader in readers])
            fitted = merged.to(KINDS.get(stored.dtype, merged.dtype)).contiguous()
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


def _readers(folder: Path, files: ExitStack) -> dict[str, Callable[[str], Tensor]]:
    """Return what reads each tensor of a checkpoint."""
    readers: dict[str, Callable[[str], Tensor]] = {}
    for shard in shards(folder):
        file = files.enter_context(safe_open(shard, framework="pt"))
        readers |= dict.fromkeys(file.keys(), file.get_tensor)
    return readers


def _merged(model: Derived, name: str, tensors: list[Tensor]) -> Tensor:
    """Return what tensors of one name become; what is not a number type of weights is kept."""
    if all(tensor.dtype in KINDS.values() for tensor in tensors):
        wide = torch.float64 in {tensor.dtype for tensor in tensors}
        kind = torch.float64 if wide else torch.float32
        return model.edit.merged([tensor.to(kind) for tensor in tensors], model.coefficients)
    first, *others = tensors
    if all(torch.equal(first, tensor) for tensor in others):
        return first
    text = f"{model.name}: `{name}` is {first.dtype} and differs between the members"
    raise ModelError("E505", text, "merge models whose weights are floating-point numbers")

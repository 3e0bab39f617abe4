"""The light part of a model's files: JSON, and what the headers of its weights say."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from composer.ports.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Stored", "has_weights", "json_of", "shards", "size_of", "tensors_of"]

LENGTH = 8
"""A safetensors file begins with the length of its header, in so many bytes."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor as a file of weights holds it: its type of numbers as safetensors names it."""

    dtype: str
    shape: tuple[int, ...]
    bytes: int

    @property
    def count(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


def json_of(file: Path) -> dict[str, Any]:
    """Read one of a model's JSON files."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise ModelError(
            "E505", f"`{file}` cannot be read: {problem}", "download or save the model again"
        ) from problem
    if not isinstance(content, dict):
        raise ModelError("E505", f"`{file}` is not a JSON object", "save the model again")
    return content


def size_of(folder: Path) -> tuple[int, int]:
    """Count the parameters of a model folder and their bytes, from the headers alone."""
    tensors = tensors_of(folder).values()
    return sum(one.count for one in tensors), sum(one.bytes for one in tensors)


def tensors_of(folder: Path) -> Mapping[str, Stored]:
    """Return the tensors of a model folder by name, from the headers alone."""
    return {name: one for file in shards(folder) for name, one in _header(file).items()}


def has_weights(folder: Path) -> bool:
    """Say whether a folder has every file of its weights, of whatever kind."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        return all((folder / name).is_file() for name in json_of(index)["weight_map"].values())
    return any(any(folder.glob(kind)) for kind in ("*.safetensors", "*.bin"))


def shards(folder: Path) -> list[Path]:
    """Return the files that hold a model's weights; raises ModelError where one is not there."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(json_of(index).get("weight_map", {}).values()))
        absent = [name for name in names if not (folder / name).is_file()]
        if absent:
            missing = f"`{folder}` lacks {len(absent)} of {len(names)} weight files: {absent[0]}"
            raise ModelError("E505", missing, "download the model again")
        return [folder / name for name in names]
    found = sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("*.safetensors"))
    if not found:
        raise ModelError("E505", *_no_weights(folder))
    return found


def _no_weights(folder: Path) -> tuple[str, str]:
    pickled = sorted((*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")))
    if pickled:
        return (
            f"`{folder}` has only pickled weights ({pickled[0].name}), which can run code",
            "load the model with transformers once and `save_pretrained` it as safetensors",
        )
    return f"`{folder}` has no weights", "put model.safetensors beside config.json"


def _header(file: Path) -> dict[str, Stored]:
    """Every tensor that a safetensors file holds."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(LENGTH), "little")
            header = json.loads(stream.read(min(length, file.stat().st_size)))
        header.pop("__metadata__", None)
        return {name: _stored(one) for name, one in header.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ModelError(
            "E505", f"`{file}` is not a safetensors file", "download or save the model again"
        ) from problem


def _stored(one: Mapping[str, Any]) -> Stored:
    begin, end = one["data_offsets"]
    return Stored(str(one["dtype"]), tuple(one["shape"]), end - begin)

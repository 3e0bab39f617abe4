"""What the headers of a model's weights say, and in which files of its folder they lie."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from composer.specs.gguf import GGUF_FILE, read_gguf
from composer.specs.gguf_names import class_name
from composer.specs.json_files import damaged_file, file_size, parse_json, read_json
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from composer.specs.gguf import Packed

__all__ = [
    "TensorHeader",
    "has_weights",
    "header_of",
    "read_json",
    "shards",
    "size_of",
    "tensors_of",
]

LENGTH = 8
"""A safetensors file begins with the length of its header, in so many bytes."""

MOST = 100_000_000
"""The bytes of a header up to which safetensors itself reads it."""

BITS = {
    **dict.fromkeys(("F4", "F6_E2M3", "F6_E3M2"), None),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E5M2FNUZ", "F8_E4M3FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
}
"""The types of numbers that safetensors knows, and the bits of one; None where they are packed."""

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class TensorHeader:
    """A tensor as a file of weights holds it: its type of numbers as safetensors names it.

    Its bytes are in `file` from `begin` on; one that is not written yet has no file.
    """

    dtype: str
    shape: tuple[int, ...]
    bytes: int
    file: Path | None = field(default=None, compare=False, repr=False)
    begin: int = field(default=0, compare=False, repr=False)

    @property
    def count(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


def size_of(folder: Path) -> tuple[int, int]:
    """Count the parameters of a model folder and their bytes, from the headers alone."""
    tensors = tensors_of(folder).values()
    return sum(tensor.count for tensor in tensors), sum(tensor.bytes for tensor in tensors)


def tensors_of(folder: Path) -> Mapping[str, TensorHeader]:
    """Return the tensors of a model folder by name, from the headers alone."""
    if (folder / GGUF_FILE).exists() and not (folder / SINGLE).exists():
        return _dequantized(read_gguf(folder / GGUF_FILE).tensors)
    tensors: dict[str, TensorHeader] = {}
    for file in shards(folder):
        header = header_of(file)
        repeated = next((name for name in header if name in tensors), None)
        if repeated is not None:
            text = (
                f"`{folder}` contains the tensor `{repeated}` in two files; "
                f"one of them is {file.name}"
            )
            raise ModelError("E505", text, "delete the file that does not belong to this model")
        tensors |= header
    return tensors


def _dequantized(packed: Mapping[str, Packed]) -> dict[str, TensorHeader]:
    """Return the tensors of a GGUF file as they are when it is loaded: in float32."""
    shapes = {class_name(name): tensor.shape for name, tensor in packed.items()}
    return {
        name: TensorHeader("F32", shape, 4 * math.prod(shape)) for name, shape in shapes.items()
    }


def has_weights(folder: Path) -> bool:
    """Say whether a folder has every file of its weights, of whatever kind."""
    index = folder / INDEX
    if index.is_file():
        return all((folder / name).is_file() for name in _indexed_files(index))
    return any(any(folder.glob(kind)) for kind in ("*.safetensors", "*.bin"))


def shards(folder: Path) -> list[Path]:
    """Return the files that hold a model's weights, all of them in its folder.

    One `model.safetensors` goes before an index, as it does in transformers. Raises ModelError
    where a file is not there, or lies elsewhere.
    """
    index = folder / INDEX
    names = _indexed_files(index) if index.exists() else []
    absent = [name for name in names if not (folder / name).exists()]
    if absent:
        missing = (
            f"`{folder}`: {len(absent)} of its {len(names)} weight files are missing: {absent[0]}"
        )
        raise ModelError("E505", missing, "download the model again")
    files = [folder / name for name in names]
    if (folder / SINGLE).exists():
        files = [folder / SINGLE]
    elif not files:
        files = sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("*.safetensors"))
    if not files:
        raise ModelError("E505", *_no_weights(folder))
    for file in files:
        _require_inside(file, folder)
    return files


def _indexed_files(index: Path) -> list[str]:
    """Return the files that an index names; raises ModelError for a name that leads elsewhere."""
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise damaged_file(index, "has no `weight_map` from tensors to files")
    names: set[str] = set()
    for name in places.values():
        if not isinstance(name, str) or not name.endswith(".safetensors"):
            text = f"names {name!r:.80} as a file of weights, but it is not a safetensors file"
            raise damaged_file(index, text)
        if Path(name).name != name or "\0" in name:
            text = f"names weights outside of the model's own folder: {name!r:.80}"
            raise damaged_file(index, text, "put all files of the weights into the model's folder")
        names.add(name)
    return sorted(names)


def _require_inside(file: Path, folder: Path) -> None:
    """Refuse a link out of the folder; a hub's cache keeps its files beside its snapshots."""
    file_size(file)
    home = folder.resolve()
    allowed = [home]
    if home.parent.name == "snapshots":
        allowed.append(home.parent.parent / "blobs")
    target = file.resolve()
    if not any(target.is_relative_to(place) for place in allowed):
        text = f"is a link to a file outside of the model's own folder: {target}"
        raise damaged_file(file, text, "put the file itself into the model's folder")


def _no_weights(folder: Path) -> tuple[str, str]:
    pickled = sorted((*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")))
    if pickled:
        reason = f"contains no safetensors file, only pickled weights ({pickled[0].name})"
        return (
            f"`{folder}` {reason}, which can run code when they are read",
            (
                "load the model with transformers once, and save it as safetensors with "
                "`save_pretrained`"
            ),
        )
    return (
        f"`{folder}` has no weights: there is no safetensors file",
        "put model.safetensors beside config.json",
    )


def header_of(file: Path) -> dict[str, TensorHeader]:
    """Return the tensors of a safetensors file."""
    size = file_size(file)
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(LENGTH), "little")
            room = size - LENGTH - length
            if room < 0 or length > MOST:
                raise damaged_file(file, "is not a safetensors file, or its header is incomplete")
            data = stream.read(length)
    except OSError as problem:
        raise damaged_file(file, f"cannot be read: {problem.strerror}") from problem
    header = parse_json(data, file)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(
        isinstance(value, str) for value in metadata.values()
    ):
        raise damaged_file(file, "has a `__metadata__` with values that are not texts")
    tensors = dict(_tensors(file, header, LENGTH + length))
    _require_contiguous(file, header, room)
    return tensors


def _tensors(
    file: Path, header: Mapping[str, Any], data: int
) -> Iterator[tuple[str, TensorHeader]]:
    """Yield the tensors of a file whose data begin at this byte."""
    for name, entry in header.items():
        stored = _tensor_header(entry, file, data)
        if stored is None:
            raise damaged_file(file, f"describes its tensor {name!r:.80} wrongly in its header")
        yield name, stored


def _tensor_header(entry: object, file: Path, data: int) -> TensorHeader | None:
    """Read an entry of a header; None where its type, its shape and its place do not agree."""
    if not isinstance(entry, dict):
        return None
    dtype, shape, place = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if (
        not isinstance(dtype, str)
        or dtype not in BITS
        or not _are_counts(shape)
        or not _are_counts(place)
    ):
        return None
    match place:
        case [begin, end] if begin <= end:
            stored = TensorHeader(dtype, tuple(shape), end - begin, file, data + begin)
            bits = BITS[dtype]
            return stored if bits is None or stored.count * bits == stored.bytes * 8 else None
        case _:
            return None


def _are_counts(value: object) -> TypeGuard[list[int]]:
    """Say whether a value is a list of numbers of zero or more."""
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _require_contiguous(file: Path, header: Mapping[str, Any], room: int) -> None:
    """Refuse tensors that overlap, leave gaps, or end before or behind the file."""
    end = 0
    for begin, then in sorted(tuple(entry["data_offsets"]) for entry in header.values()):
        if begin != end:
            raise damaged_file(file, "has tensors that overlap, or gaps between them")
        end = then
    if end != room:
        fault = "is incomplete" if end > room else "has data after its last tensor"
        raise damaged_file(file, f"{fault}: its tensors need {end:,} bytes, but it has {room:,}")

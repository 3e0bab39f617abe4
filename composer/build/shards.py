"""Arrays of many documents, written in shards of a few: what is there is not made again."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from composer.atomic import write_atomically
from composer.engine.sessions.likely_tokens import Reading
from composer.engine.top_tokens import TopTokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

__all__ = ["DOCUMENTS", "Shards", "pack", "unpack"]

DOCUMENTS = 64
"""How many documents a shard has: so many are lost where a build is interrupted."""

TOLD_EVERY = 10.0
"""Seconds between two lines on how far it is."""

Arrays = dict[str, "Tensor"]


@dataclass(frozen=True)
class Shards:
    """A folder of shards, known by the content that they follow from.

    `make` gives the arrays of each of some documents; an array may have any length.
    """

    folder: Path
    count: int

    def fill(
        self, make: Callable[[range], Sequence[Arrays]], tell: Callable[[int, int], None]
    ) -> None:
        """Make the shards that are not there yet; `tell` is told how many documents are done."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = time.monotonic()
        with FileLock(self.folder / "lock"):
            for number, part in enumerate(self._parts()):
                path = self._path(number)
                if not _is_whole(path, len(part)):
                    write_atomically(path, _serialize(make(part)))
                    if part.stop == self.count or time.monotonic() - told >= TOLD_EVERY:
                        tell(part.stop, self.count)
                        told = time.monotonic()

    def __getitem__(self, document: int) -> Arrays:
        """Return the arrays of a document."""
        number, at = divmod(document, DOCUMENTS)
        file = _open(self._path(number))
        return {name: _slice(file, name, at) for name in _names(file)}

    def _parts(self) -> list[range]:
        starts = range(0, self.count, DOCUMENTS)
        return [range(start, min(start + DOCUMENTS, self.count)) for start in starts]

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06}.safetensors"


_ENDS = ".ends"


def pack(reading: Reading) -> Arrays:
    """Return a reading as arrays."""
    lengths = torch.tensor([len(piece) for piece in reading.pieces], dtype=torch.int32)
    spelt = torch.frombuffer(bytearray(b"".join(reading.pieces) or b" "), dtype=torch.uint8)
    distributions = {
        each.name: getattr(reading.distributions, each.name) for each in fields(TopTokens)
    }
    return {
        "entries": torch.tensor(reading.entries, dtype=torch.int32),
        "lengths": lengths,
        "spelt": spelt[: int(lengths.sum())],
        "before": torch.tensor([reading.before], dtype=torch.int32),
        **distributions,
    }


def unpack(arrays: Mapping[str, Tensor]) -> Reading:
    """Return the reading that some arrays hold."""
    spelt, ends = arrays["spelt"].numpy().tobytes(), arrays["lengths"].cumsum(0).tolist()
    pieces = tuple(spelt[a:b] for a, b in zip([0, *ends], ends, strict=False))
    distributions = TopTokens(*(arrays[each.name] for each in fields(TopTokens)))
    return Reading(pieces, tuple(arrays["entries"].tolist()), int(arrays["before"]), distributions)


def _serialize(documents: Sequence[Arrays]) -> bytes:
    """Return the file of a shard: each array of all documents, and where those of each end."""
    arrays: Arrays = {}
    for name in documents[0]:
        parts = [document[name] for document in documents]
        arrays[name] = torch.cat(parts).contiguous()
        arrays[name + _ENDS] = torch.tensor([len(part) for part in parts]).cumsum(0)
    content: bytes = save(arrays)
    return content


def _is_whole(path: Path, count: int) -> bool:
    """Say whether a shard is there, with so many documents; one that is damaged is not."""
    try:
        with safe_open(path, "pt") as file:
            ends = [len(file.get_tensor(name + _ENDS)) for name in _names(file)]
            return bool(ends) and set(ends) == {count}
    except (OSError, SafetensorError):
        return False


@lru_cache(maxsize=64)
def _open(path: Path) -> Any:  # noqa: ANN401 - safetensors has no types
    return safe_open(path, "pt")


def _names(file: Any) -> list[str]:  # noqa: ANN401
    return [name.removesuffix(_ENDS) for name in file.keys() if name.endswith(_ENDS)]  # noqa: SIM118


def _slice(file: Any, name: str, at: int) -> Tensor:  # noqa: ANN401
    ends = file.get_slice(name + _ENDS)
    start = 0 if at == 0 else int(ends[at - 1 : at])
    part: Tensor = file.get_slice(name)[start : int(ends[at : at + 1])]
    return part

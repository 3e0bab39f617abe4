"""The tensors of a checkpoint, read one at a time from its files, or a few rows of one.

Files are read, not mapped into memory: pages of a mapped file count as memory of this process for
as long as it is mapped.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

import torch

from composer.specs.content import stamps
from composer.specs.headers import tensors_of
from composer.specs.json_files import damaged_file
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from torch import Tensor

    from composer.specs.headers import TensorHeader

__all__ = ["FLOATS", "Tensors", "is_finite"]

FLOATS = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
"""The types of numbers that are merged, as safetensors names them."""

DTYPES = FLOATS | {
    "C64": torch.complex64,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
"""The types of numbers that can be read."""

AHEAD = 32 << 20
"""The bytes after those that are read which the system is asked to read meanwhile."""


class Tensors:
    """The tensors of a checkpoint while its files are open: `headers` by name, `read` for one.

    `headers` are those of all its weights, unless others are given. Leaving the block raises
    ModelError where a file has changed meanwhile.
    """

    def __init__(self, folder: Path, headers: Mapping[str, TensorHeader] | None = None) -> None:
        self.folder = folder
        self.headers = tensors_of(folder) if headers is None else headers
        self._files = ExitStack()
        self._opened: dict[Path, int] = {}
        self._asked: dict[Path, int] = {}
        self._stamps = stamps(folder)

    def __enter__(self) -> Self:
        for file in {header.file for header in self.headers.values()}:
            if file is not None:
                self._opened[file] = self._files.enter_context(file.open("rb")).fileno()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.close()
        if error is None:
            self.require_unchanged()

    def require_unchanged(self) -> None:
        """Raise ModelError where a file is not what it was when this was made."""
        changed = dict({*self._stamps} ^ {*stamps(self.folder)})
        if changed:
            raise damaged_file(
                self.folder / min(changed),
                "has changed while it was read",
                "build again when nothing writes into this folder",
            )

    def read(self, name: str, start: int = 0, stop: int | None = None) -> Tensor:
        """Return a tensor as it is stored, or its rows from `start` up to, not including, `stop`.

        Raises ModelError where it holds NaN or infinity, or cannot be read.
        """
        header = self.headers[name]
        assert header.file is not None
        if header.dtype not in DTYPES:
            text = f"`{header.file}`: `{name}` has numbers of the type {header.dtype}"
            help_ = "save the model with floating-point numbers"
            raise ModelError("E505", f"{text}, which cannot be read here", help_)
        shape = header.shape
        if shape and (start or stop is not None):
            shape = (min(stop or shape[0], shape[0]) - start, *shape[1:])
        row = header.bytes // max(header.shape[0], 1) if shape else 0
        data = torch.empty(header.bytes if shape == header.shape else shape[0] * row, dtype=BYTE)
        self._fill(header.file, data, header.begin + start * row)
        tensor = data.view(DTYPES[header.dtype]).reshape(shape)
        if header.dtype in FLOATS and not is_finite(tensor):
            text = f"`{header.file}`: `{name}` contains {_odd(tensor)}"
            raise ModelError("E514", text, "use a sound copy of the model")
        return tensor

    def _fill(self, file: Path, data: Tensor, begin: int) -> None:
        """Read bytes of a file from a place on."""
        view, done, opened = data.numpy().data, 0, self._opened[file]
        while done < len(view):
            count = os.preadv(opened, [view[done:]], begin + done)
            if not count:
                raise damaged_file(file, "is shorter than its header says")
            done += count
        self._ask(file, begin + done)

    def _ask(self, file: Path, end: int) -> None:
        """Let the system read what probably follows while this is worked on."""
        asked = self._asked.get(file, 0)
        if hasattr(os, "posix_fadvise") and not end + AHEAD // 2 <= asked <= end + AHEAD:
            os.posix_fadvise(self._opened[file], end, AHEAD, os.POSIX_FADV_WILLNEED)
            self._asked[file] = end + AHEAD


BYTE = torch.uint8


def is_finite(tensor: Tensor) -> bool:
    """Say whether a tensor holds neither NaN nor infinity.

    The sum tells it many times faster than a look at each number; where the sum is too large for
    the type, each number is looked at.
    """
    return bool(tensor.sum().isfinite()) or bool(tensor.isfinite().all())


def _odd(tensor: Tensor) -> str:
    """Say of a tensor that is not finite what is in it, and where first."""
    place = (~tensor.isfinite()).nonzero()[0].tolist()
    word = "NaN" if bool(tensor[tuple(place)].isnan()) else "an infinite number"
    return f"{word}, first at {place}"

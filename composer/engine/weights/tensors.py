"""The tensors of a checkpoint, read one at a time from its files."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

import torch
from safetensors import safe_open

from composer.specs.headers import shards, tensors_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from torch import Tensor

    from composer.specs.headers import TensorHeader

__all__ = ["FLOATS", "Tensors"]

FLOATS = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
"""The types of numbers that are merged, as safetensors names them."""


class Tensors:
    """The tensors of a checkpoint while its files are open: `headers` by name, `read` for one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.headers: Mapping[str, TensorHeader] = tensors_of(folder)
        self._files = ExitStack()
        self._readers: dict[str, Callable[[str], Tensor]] = {}

    def __enter__(self) -> Self:
        for shard in shards(self.folder):
            file = self._files.enter_context(safe_open(shard, framework="pt"))
            self._readers |= dict.fromkeys(file.keys(), file.get_tensor)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.close()

    def read(self, name: str) -> Tensor:
        """Return a tensor as it is stored."""
        return self._readers[name](name)

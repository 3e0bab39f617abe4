"""Tables that follow from the content of vocabularies, kept from run to run."""

from __future__ import annotations

import contextlib
from hashlib import sha256
from typing import TYPE_CHECKING

from composer.atomic import write_atomically
from composer.diagnostics.caches import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import Tensor

__all__ = ["cached_table"]

_FORMAT = "1"


def cached_table(kind: str, content: Sequence[str], make: Callable[[], Tensor]) -> Tensor:
    """The table of a kind that some content determines: out of the user's cache, or made now.

    A file that is damaged is made anew; where nothing can be written, nothing is kept.
    """
    name = sha256(chr(0).join((_FORMAT, kind, *content)).encode()).hexdigest()
    file = f"{kind}-{name[:32]}.safetensors"
    table = _read(file)
    if table is None:
        table = make()
        _write(file, table)
    return table


def _read(name: str) -> Tensor | None:
    """What a file holds, if it is what was written."""
    from safetensors import safe_open

    # Whatever damage raises, the table can be made anew.
    with contextlib.suppress(Exception), safe_open(_folder() / name, "pt") as file:
        table: Tensor = file.get_tensor("table")
        if file.metadata()["sha256"] == _digest(table):
            return table
    return None


def _folder() -> Path:
    return cache_folder() / "alignments"


def _write(name: str, table: Tensor) -> None:
    from safetensors.torch import save  # imports torch

    with contextlib.suppress(OSError):
        path = _folder() / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, save({"table": table}, {"sha256": _digest(table)}))


def _digest(table: Tensor) -> str:
    return sha256(table.numpy().tobytes()).hexdigest()

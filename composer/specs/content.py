"""What a model or a data file is by its content, wherever it lies."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

MATTERS = ("*.json", "*.safetensors", "*.model", "*.jinja", "*.txt")
"""The files of a model's folder that its answers depend on."""


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file, read once for each size and time of change."""
    path = Path(path)
    stat = path.stat()
    return _digest(path, stat.st_size, stat.st_mtime_ns)


def folder_digest(folder: str | Path) -> str:
    """Return the SHA-256 over a model folder's names and contents."""
    whole = hashlib.sha256()
    paths = {path for pattern in MATTERS for path in Path(folder).glob(pattern)}
    for path in sorted(paths):
        whole.update(f"{path.name}\0{file_digest(path)}\0".encode())
    return whole.hexdigest()


@lru_cache(maxsize=4096)
def _digest(path: Path, size: int, changed: int) -> str:
    del size, changed
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

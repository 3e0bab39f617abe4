"""Files that are written whole: a reader finds the old content or the new one, never a part."""

from __future__ import annotations

import os
from contextlib import contextmanager
from threading import get_ident
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["atomic_file", "write_atomically"]


@contextmanager
def atomic_file(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """Open a temporary file beside a path; it replaces the path's file when the block ends well.

    A block that raises leaves the old file. A `durable` file is on the disk before it replaces
    the old one, so that it survives a power failure; this takes milliseconds.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}-{get_ident()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Write a file whole, as `atomic_file` does."""
    with atomic_file(path, durable=durable) as file:
        file.write(content)

"""Digests of large files, kept between processes: reading a checkpoint takes seconds or minutes.

A digest holds as long as the file has the same size, times and inode; the time of its last change
cannot be set by hand. It goes by the inode, so that it is found where a folder has moved.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.atomic import write_atomically
from composer.diagnostics.caches import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LARGE", "KeptDigest"]

LARGE = 32 << 20
"""The bytes from which on the digest of a file is kept."""

SETTLED = 2 * 10**9
"""Nanoseconds since the last change of a file from which on the next one has another time."""

FOLDER, DIGITS = "digests", 64


@dataclass(frozen=True, slots=True)
class KeptDigest:
    """Where the digest of a file is kept; `stamp` changes with the file.

    A cache folder that cannot be read or written only costs time, so nothing is said of it.
    """

    path: Path
    stamp: tuple[int, ...]

    def read(self) -> str | None:
        """Return the digest, None where none is kept of the file as it is."""
        try:
            stamp, _, digest = self._file.read_text("ascii").partition(" ")
        except (OSError, ValueError):
            return None
        return digest if stamp == self._stamp and len(digest) == DIGITS else None

    def write(self, digest: str) -> None:
        """Keep a digest, unless the file has changed so lately that it may change unseen."""
        try:
            changed = max(self.stamp[1:3])
            if time.time_ns() - changed < SETTLED or self._now != self.stamp:
                return
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, f"{self._stamp} {digest}".encode())
        except OSError:
            return

    @property
    def _file(self) -> Path:
        stat = self.path.stat()
        return cache_folder() / FOLDER / f"{stat.st_dev}-{stat.st_ino}"

    @property
    def _now(self) -> tuple[int, ...]:
        stat = self.path.stat()
        return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino

    @property
    def _stamp(self) -> str:
        return "-".join(map(str, self.stamp))

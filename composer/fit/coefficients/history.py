"""The history of a search on disk: each point and its score, so that a search that stops goes on.

A line is written when a point has its score. A second search with the same settings yields the same
points, takes the scores that are there, and goes on behind them.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from composer.atomic import write_atomically
from composer.diagnostics.caches import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["History", "kept_history"]

ARRAYS = ".safetensors"


class History:
    """Entries in a file of JSON lines, or in memory only where there is no file.

    A last line that was cut off is dropped. `add` appends an entry; `cut` drops the entries from
    one on.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.entries: list[dict[str, Any]] = []
        if path is not None and path.is_file():
            self.entries = list(_whole(path.read_bytes()))
            self.cut(len(self.entries))

    def add(self, **entry: object) -> None:
        """Write an entry to the end."""
        self.entries.append(entry)
        if self._path is not None:
            with self._path.open("ab") as file:
                file.write(_line(entry))

    def cut(self, count: int) -> None:
        """Keep so many entries, in the file as well."""
        del self.entries[count:]
        if self._path is not None:
            self._path.write_bytes(b"".join(map(_line, self.entries)))

    def store(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep the arrays of a state beside the entries, in place of those before."""
        if self._path is not None:
            from safetensors.numpy import save

            write_atomically(self._path.with_suffix(ARRAYS), save(dict(arrays)))

    def stored(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that were kept; none where there are none that can be read."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        if self._path is None:
            return {}
        try:
            arrays: dict[str, NDArray[Any]] = load(self._path.with_suffix(ARRAYS).read_bytes())
        except (OSError, SafetensorError):
            return {}
        return arrays


@contextmanager
def kept_history(name: str | None) -> Iterator[History]:
    """Open the history of that name in the user's cache, by one process at a time; None keeps none.

    Where the cache folder cannot be written, nothing is kept.
    """
    folder = None if name is None else _folder()
    if folder is None:
        yield History()
        return
    with FileLock(folder / f"{name}.lock"):
        yield History(folder / f"{name}.jsonl")


def _folder() -> Path | None:
    try:
        folder = cache_folder() / "searches"
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder


def _line(entry: dict[str, Any]) -> bytes:
    return (json.dumps(entry) + "\n").encode()


def _whole(content: bytes) -> Iterator[dict[str, Any]]:
    """Yield the entries up to the first line that is not whole."""
    lines: Sequence[bytes] = content.splitlines(keepends=True)
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            return
        if not line.endswith(b"\n") or not isinstance(entry, dict):
            return
        yield entry

"""Writing JSON objects to the end of a file, one a line; a pipe or a device works too."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING

from composer.run.result import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["JsonlWriter", "is_stream"]

_ENCODER = json.JSONEncoder(ensure_ascii=False)


def is_stream(path: Path) -> bool:
    """Say whether a path is a pipe or a device: what is written there cannot be read again."""
    return path.exists() and not path.is_file()


class JsonlWriter:
    """Writes one JSON object a line, without a buffer, so that each row is in the file at once.

    Opening raises OSError, also for a pipe without a reader, which would block for ever.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = _stream(path) if is_stream(path) else _file(path)

    def write(self, row: Mapping[str, object]) -> None:
        """Append a row; raises Failure (E718) where that cannot be done any more.

        Raises BrokenPipeError where the file is a pipe whose reader has stopped.
        """
        try:
            remaining = memoryview(_line(row))
            while remaining:
                remaining = remaining[os.write(self._descriptor, remaining) :]
        except BrokenPipeError:  # the reader of a pipe has stopped, as `head` does
            raise
        except OSError as error:
            text = f"cannot write to {self.path} any more: {error.strerror or error}"
            help_ = (
                "the answers in it are kept; free some space, and run the same command again to "
                "continue"
            )
            raise Failure("E718", text, help_) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _file(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)


def _stream(path: Path) -> int:
    if not path.is_fifo():
        return os.open(path, os.O_WRONLY)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:
            error.strerror = "the reader of this pipe has stopped"
        raise
    os.set_blocking(descriptor, True)
    return descriptor


def _line(row: Mapping[str, object]) -> bytes:
    try:
        return (_ENCODER.encode(row) + "\n").encode()
    except UnicodeEncodeError:  # half of a character that was cut in two
        return (json.dumps(row) + "\n").encode()

"""A recipe file read from disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from composer.words import Diagnostic, Mistakes, Source

if TYPE_CHECKING:
    from os import PathLike


def read(path: str | PathLike[str]) -> Source:
    """Read a recipe file; its name is the path as it was written."""
    name = str(path)
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise Mistakes([Diagnostic("E501", f"there is no file `{name}`")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Mistakes([Diagnostic("E503", f"`{name}` cannot be read: {error}")]) from None
    return Source(name, text.replace("\r\n", "\n").replace("\r", "\n"))

"""Data files as they lie on disk: packed or not, in whatever encoding says of itself what it is."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from typing import TYPE_CHECKING

from composer.data.pickles import conversion
from composer.data.row import Unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["DAMAGED", "PARQUET", "bare_name", "opened", "text_lines", "unpacked"]

PARQUET = b"PAR1"
PICKLES = (".pkl", ".pickle")
PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")
"""How packed files begin."""

ENDINGS = (".gz", ".bz2", ".xz")
FOREIGN = {
    b"PK\x03\x04": "a zip archive or a workbook",
    b"\x28\xb5\x2f\xfd": "compressed with zstd",
    b"ARROW1": "an Arrow file",
    b"\x89HDF": "an HDF file",
    b"SQLite format 3": "a database",
    b"7z\xbc\xaf": "a 7z archive",
}
"""How files begin that hold rows which are not read here."""

ENCODINGS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
DAMAGED = (OSError, EOFError, UnicodeError, zlib.error, lzma.LZMAError)
"""What reading raises where a file is cut off, damaged, or no text."""

TARS = (".tar", ".tgz")
_SEEN = 64
_HEAD = 4096
"""How much is looked at to tell what a pickle holds."""


def bare_name(name: str) -> str:
    """Return the name of a file in small letters, without what says how it is packed."""
    lower = name.lower()
    for ending in ENDINGS:
        lower = lower.removesuffix(ending)
    return lower


def opened(path: Path) -> io.BufferedReader:
    """Open a file; raises Unreadable where there is none (E501) or it may not be read (E503)."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        advice = "give a JSONL or CSV file"
        raise Unreadable("E501", f"there is no file `{path}`", advice) from None
    except OSError as problem:
        message = f"cannot read `{path}`: {problem.strerror}"
        raise Unreadable("E503", message, "give a file that you may read") from None


def unpacked(name: str, file: io.BufferedReader) -> io.BufferedReader:
    """Return a file's content; raises Unreadable (E504) where that is nothing that is read here.

    Pickles are refused, since reading one may run whatever its author wrote.
    """
    raw_head = file.peek(_SEEN)
    try:
        content = _content(file)
        head = content.peek(_HEAD)
    except DAMAGED:
        message = f"the compressed file `{name}` is damaged"
        raise Unreadable("E504", message, "compress it again") from None
    if bare_name(name).endswith(PICKLES) or head.startswith(b"\x80"):
        message = (
            f"`{name}` is a pickle, and is not read because reading a pickle can run any program"
        )
        raise Unreadable("E504", message, conversion(name, raw_head, head))
    if bare_name(name).endswith(TARS):
        advice = "unpack it with `tar -xf`, and give the folder if it is of a published benchmark"
        raise Unreadable("E504", f"`{name}` is a tar archive, and is not read as it is", advice)
    kind = next((what for start, what in FOREIGN.items() if head.startswith(start)), None)
    if kind is not None:
        advice = "write the rows as JSON lines, CSV or Parquet, plain or compressed with gzip"
        raise Unreadable("E504", f"`{name}` is {kind}, and this format is not supported", advice)
    return content


def _content(file: io.BufferedReader) -> io.BufferedReader:
    """Return what unpacks a file by its first bytes, the file itself where it is not packed."""
    head = file.peek(_SEEN)
    if head.startswith(PACKED[0]):
        return io.BufferedReader(gzip.GzipFile(fileobj=file))
    if head.startswith(PACKED[1]):
        return io.BufferedReader(bz2.open(file))
    if head.startswith(PACKED[2]):
        return io.BufferedReader(lzma.open(file))
    return file


def text_lines(file: io.BufferedReader) -> Iterator[str]:
    """Yield the lines of a text in UTF-8, or in the encoding that its first bytes name."""
    head = file.peek(_SEEN)
    named = next((name for mark, name in ENCODINGS if head.startswith(mark)), None)
    if named is not None:
        text = io.TextIOWrapper(file, encoding=named, newline="\n")
        try:
            yield from text
        finally:
            text.detach()  # or the file of whoever opened it would be closed with this
        return
    for line in file:
        yield line.decode()

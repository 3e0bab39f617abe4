"""Reading JSON files of unknown origin: bounded in size and depth, with plain errors."""

from __future__ import annotations

import json
import re
import stat
from collections import Counter
from typing import TYPE_CHECKING, Any

from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["MOST", "damaged_file", "file_size", "parse_json", "read_json"]

MOST = 256 << 20
"""The bytes of a JSON file up to which it is read: the largest tokenizers have a tenth of that."""

DEPTH = 64
HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""How a half of a character is written; two halves are one character."""

AGAIN = "download or save the model again"


def damaged_file(file: Path, how: str, advice: str = AGAIN) -> ModelError:
    """Return the error of a file that cannot be used, and how it is damaged."""
    return ModelError("E505", f"`{file}` {how}", advice)


def file_size(file: Path) -> int:
    """Return the size of a file; raises ModelError for what is none, such as a folder or a pipe."""
    try:
        status = file.stat()
    except (OSError, ValueError) as problem:
        raise damaged_file(file, f"cannot be read: {_reason(problem)}") from problem
    if not stat.S_ISREG(status.st_mode):
        raise damaged_file(file, "is not a plain file", "replace it by the file itself")
    return status.st_size


def read_json(file: Path) -> dict[str, Any]:
    """Read one of a model's JSON files; raises ModelError where it is none."""
    if file_size(file) > MOST:
        raise damaged_file(
            file, f"is larger than {MOST >> 20} MB, too large for a file of its kind"
        )
    try:
        data = file.read_bytes()
    except OSError as problem:
        raise damaged_file(file, f"cannot be read: {_reason(problem)}") from problem
    return parse_json(data, file)


def parse_json(data: bytes, file: Path) -> dict[str, Any]:
    """Read a JSON object out of a file's bytes: no key twice, not too deep."""
    try:
        content = json.loads(data.decode("utf-8"), object_pairs_hook=_object_without_repeats)
    except UnicodeDecodeError as problem:
        raise damaged_file(
            file, f"is not UTF-8 text, from byte {problem.start + 1} on"
        ) from problem
    except json.JSONDecodeError as problem:
        where = f"line {problem.lineno}, column {problem.colno}"
        raise damaged_file(file, f"is not JSON, from {where} on") from problem
    except _TwiceError as problem:
        advice = "keep one of the two, or download the model again"
        raise damaged_file(file, f"contains the key `{problem}` twice", advice) from problem
    except RecursionError as problem:
        raise damaged_file(file, f"is nested deeper than {DEPTH} levels") from problem
    except ValueError as problem:  # an integer of more digits than Python reads
        raise damaged_file(file, "contains a number that is too long") from problem
    if not isinstance(content, dict):
        raise damaged_file(file, "is not a JSON object")
    if _is_too_deep(content):
        raise damaged_file(file, f"is nested deeper than {DEPTH} levels")
    if HALF.search(data) and not _writable(content):
        raise damaged_file(file, "contains half a character (a lone surrogate)")
    return content


def _writable(content: object) -> bool:
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


class _TwiceError(Exception):
    """A key that an object has twice."""


def _object_without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise _TwiceError(Counter(key for key, _ in pairs).most_common(1)[0][0])
    return content


def _is_too_deep(content: object) -> bool:
    """Say whether a value is nested deeper than is allowed."""
    level = [content]
    for _ in range(DEPTH):
        children = (child for value in level for child in _children(value))
        level = [child for child in children if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _children(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _reason(problem: Exception) -> str:
    return getattr(problem, "strerror", None) or "its name is not a valid file name"

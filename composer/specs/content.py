"""What a model or a data file is by its content, wherever it lies."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from composer.specs.gguf import GGUF_FILE
from composer.specs.json_files import damaged_file, file_size
from composer.specs.kept_digests import LARGE, KeptDigest

RELEVANT = (
    *("*.json", "*.safetensors", "*.model", "*.jinja", "*.txt"),
    *("*.tiktoken", "*.spm", "*.bpe", "*.vocab", "additional_chat_templates/*.jinja"),
    GGUF_FILE,
)
"""The files of a model's folder that its answers depend on."""

OF_TOKENIZER = ("*.json", "*.jinja", "additional_chat_templates/*.jinja")
"""The files among these that prompts depend on."""

OF_ADAPTER = ("adapter_config.json", "adapter_model.safetensors", "tokenizer.json")
"""The files of an adapter that are read."""

_CANONICAL = json.JSONEncoder(sort_keys=True)

Stamp: TypeAlias = tuple[int, int, int, int]
Stamps: TypeAlias = tuple[tuple[str, Stamp | None], ...]


def json_digest(value: object) -> str:
    """Return the SHA-256 of a value as JSON, with the keys of its objects in order."""
    return hashlib.sha256(_CANONICAL.encode(value).encode()).hexdigest()


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file, read once for each size and time of change.

    That of a folder of data is made of the names and digests of all its files.
    """
    path = Path(path)
    if not path.is_dir():
        return _digest(path, stamp_of(path))
    files = _all_files(path)
    return json_digest([[each.relative_to(path).as_posix(), file_digest(each)] for each in files])


def data_stamp(path: Path) -> Stamps:
    """Return what changes with a data file, or with any file of a folder of data."""
    files = _all_files(path) if path.is_dir() else [path]
    return tuple((str(each), _stamp_or_none(each)) for each in files)


def folder_digest(folder: str | Path) -> str:
    """Return the SHA-256 over a model folder's names and contents.

    Raises ModelError for what is not a file, or cannot be read.
    """
    total, folder = hashlib.sha256(), Path(folder)
    for path in plain_files(folder):
        try:
            digest = file_digest(path)
        except OSError as problem:
            raise damaged_file(path, f"cannot be read: {problem.strerror}") from problem
        total.update(f"{path.relative_to(folder).as_posix()}\0{digest}\0".encode())
    return total.hexdigest()


def plain_files(folder: Path) -> list[Path]:
    """Return the files of a model's folder that matter; raises ModelError for what is none."""
    paths = _files(folder)
    for path in paths:
        file_size(path)
    return paths


def stamps(folder: Path) -> Stamps:
    """Return the sizes and times of change of a model's files: equal, as long as none changes."""
    return tuple(
        (path.relative_to(folder).as_posix(), _stamp_or_none(path)) for path in _files(folder)
    )


def _files(folder: Path) -> list[Path]:
    return sorted({path for pattern in RELEVANT for path in folder.glob(pattern)})


def _all_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _stamp_or_none(path: Path) -> Stamp | None:
    """Return the stamp of a file; None for a name that leads nowhere."""
    try:
        return stamp_of(path)
    except OSError:
        return None


def stamp_of(path: Path) -> Stamp:
    """Return what changes with a file."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


@lru_cache(maxsize=4096)
def _digest(path: Path, stamp: Stamp) -> str:
    """Return the SHA-256 of a file; that of a large one is kept between processes."""
    kept = KeptDigest(path, stamp) if stamp[0] >= LARGE else None
    digest = kept and kept.read()
    if digest:
        return digest
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if kept:
        kept.write(digest)
    return digest

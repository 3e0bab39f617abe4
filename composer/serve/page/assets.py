"""The files of the page, as they lie in the package, with the digests that a browser checks."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

__all__ = ["Asset", "assets", "integrity"]

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Files with other endings, such as licences, are not served."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page: its path below `static/`, its content, and the digest of that."""

    path: str
    content: bytes
    media_type: str
    integrity: str

    @property
    def is_module(self) -> bool:
        """Say whether it is an ES module."""
        return self.path.startswith(("app/", "vendor/")) and "javascript" in self.media_type


@cache
def assets() -> Mapping[str, Asset]:
    """Return the files of the page by their paths."""
    return dict(_files_in(files("composer.serve.page") / "static", ""))


def integrity(content: bytes) -> str:
    """Return the digest of a file as browsers compare it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(content).digest()).decode()


def _files_in(folder: Traversable, path: str) -> Iterator[tuple[str, Asset]]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        name = path + entry.name
        if entry.is_dir():
            yield from _files_in(entry, f"{name}/")
            continue
        _, dot, ending = entry.name.rpartition(".")
        media_type = MEDIA_TYPES.get(dot + ending)
        if media_type is not None:
            content = entry.read_bytes()
            yield name, Asset(name, content, media_type, integrity(content))

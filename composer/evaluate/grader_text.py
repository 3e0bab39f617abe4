"""A grader as it is written: after `--how`, or in the field `grader` of a row."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from composer.compiler.graph import read_part
from composer.methods import Grader

__all__ = ["read_grader"]


def read_grader(text: str, name: str = "--how") -> Grader:
    """Read a grader; `name` says where the text stands. Raises Mistakes, with the place."""
    return _read(text, name, Path.cwd())


@lru_cache(maxsize=256)
def _read(text: str, name: str, folder: Path) -> Grader:
    return read_part(text, Grader, name, folder)

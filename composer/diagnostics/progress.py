"""How far work is that takes long: said to who listens, after some seconds and then now and again.

The command listens and writes to stderr; a program that uses the package hears nothing unless it
calls `listening`.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Progress", "listening"]

FIRST, EVERY = 3.0, 5.0
"""Seconds until something is said, and from then on."""

_LISTENERS: list[Callable[[str], None]] = []


@contextmanager
def listening(listener: Callable[[str], None]) -> Iterator[None]:
    """Let a function be told of all long work, in whatever thread, as long as the block lasts."""
    _LISTENERS.append(listener)
    try:
        yield
    finally:
        _LISTENERS.remove(listener)


@dataclass(slots=True)
class Progress:
    """Work of so many bytes, and how many are done: `building merge(A, B): 3.1 of 12.0 GB`."""

    what: str
    total: int
    done: int = 0
    next: float = field(default_factory=lambda: time.monotonic() + FIRST)

    def add(self, count: int) -> None:
        """Count bytes that are done, and say so if it is time."""
        self.done += count
        if time.monotonic() < self.next:
            return
        self.next = time.monotonic() + EVERY
        for listener in _LISTENERS:
            listener(f"{self.what}: {self.done / 1e9:.1f} of {self.total / 1e9:.1f} GB")

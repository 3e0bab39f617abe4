"""Work that is done once, however many threads ask for it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

Result = TypeVar("Result")


class OnceCache(Generic[Result]):
    """Results by key. The first thread to ask works, the others wait; a failure is not kept."""

    def __init__(self) -> None:
        self._results: dict[Hashable, Result] = {}
        self._locks: dict[Hashable, threading.Lock] = {}
        self._guard = threading.Lock()

    def get(self, key: Hashable, work: Callable[[], Result]) -> Result:
        """Return the result for a key, worked out if nobody has asked for it yet."""
        if key in self._results:
            return self._results[key]
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._results:
                self._results[key] = work()
            return self._results[key]

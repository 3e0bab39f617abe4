"""How long models took to load, and a clock that stands still meanwhile."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class LoadingTimer:
    """Counts the seconds of loading. `tell` is called with the name of what begins to load.

    One thing loads at a time: first the library, then models in the engine's one thread, in
    which nothing else is answered meanwhile.
    """

    def __init__(self, on_loading: Callable[[str], None] | None = None) -> None:
        self._on_loading = on_loading
        self._lock = threading.Lock()
        self._finished_seconds = 0.0
        self._loading_since: float | None = None

    @contextmanager
    def loading(self, name: str) -> Iterator[None]:
        """Count what runs inside as loading."""
        if self._on_loading is not None:
            self._on_loading(name)
        with self._lock:
            self._loading_since = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._finished_seconds += time.perf_counter() - self._loading_since
                self._loading_since = None

    @property
    def seconds(self) -> float:
        """The seconds that loading took so far."""
        with self._lock:
            return self._seconds(time.perf_counter())

    def clock(self) -> float:
        """Return a time in seconds that does not pass while something loads."""
        with self._lock:
            now = time.perf_counter()
            return now - self._seconds(now)

    def _seconds(self, now: float) -> float:
        return self._finished_seconds + (
            0.0 if self._loading_since is None else now - self._loading_since
        )

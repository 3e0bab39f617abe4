"""What an open ensemble holds until it is closed, and how long its models took to load."""

from __future__ import annotations

import threading
import time
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from composer.run.clients import ModelClients
from composer.run.result import closed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from composer.engine.engine import Engine
    from composer.engine.rows.remote import NextTokenSource
    from composer.engine.weights.local import LocalModel
    from composer.run.cache import AnswerCache
    from composer.run.clients import Prices
    from composer.run.model_digests import ModelDigests
    from composer.specs.models import Checkpoint


class LoadingTimer:
    """Counts the seconds of loading; `on_loading` is called with the name of what loads.

    One thing loads at a time: first torch, then models, one after the other in the engine's thread.
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


class Resources:
    """Clients, engine and cache of an open ensemble, closed together.

    There is no reference to the ensemble, so that a dropped one can be collected.
    """

    def __init__(
        self,
        timer: LoadingTimer,
        cache: AnswerCache | None,
        digests: ModelDigests,
        prices: Prices,
    ) -> None:
        self._timer, self._cache, self._digests = timer, cache, digests
        self._engine: Engine | None = None
        self._open = True
        self._lock, self._starting = threading.Lock(), threading.Lock()
        self.clients = ModelClients(self._start_engine, prices, timer.clock)

    async def close(self) -> None:
        """Close the clients, the engine and the cache, even if one of them raises."""
        with self._lock:
            self._open = False
            engine, self._engine = self._engine, None
        async with AsyncExitStack() as last:
            last.callback(self.write)
            if engine is not None:
                last.callback(engine.close)
            await self.clients.close()

    def write(self) -> None:
        """Write the answers that wait for the cache, even if something else does not end."""
        if self._cache is not None:
            self._cache.close()

    def _start_engine(self, ask: Callable[[Checkpoint], NextTokenSource]) -> Engine:
        """Start the engine when it is first asked; `ask` gives what asks the server of a model."""
        with self._starting:
            if self._engine is None:
                with self._timer.loading("torch"):
                    from composer.engine.engine import Engine
                    from composer.engine.weights.local import load

                    with self._lock:
                        if not self._open:
                            raise closed()
                        self._engine = Engine(loader=partial(self._load, load), ask=ask)
            return self._engine

    def _load(
        self, load: Callable[[Checkpoint, str], LocalModel], model: Checkpoint, device: str
    ) -> LocalModel:
        keep = self._cache is not None
        with self._timer.loading(model.name), self._digests.loading(model, keep=keep):
            return load(model, device)

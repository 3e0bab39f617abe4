"""The engine of an open ensemble, or of several that share it, and how long its models load."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from composer.engine.static.setting import where_static
from composer.run.model_digests import ModelDigests
from composer.run.result import closed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from composer.engine.engine import Engine
    from composer.engine.rows.remote import NextTokenSource
    from composer.specs.models import Checkpoint

    Stacked = tuple[tuple[Checkpoint, ...], int]

__all__ = ["EngineHost", "LoadingTimer"]

To = TypeVar("To")
Loaded = TypeVar("Loaded")


class LoadingTimer:
    """Counts the seconds of loading; `on_loading` is called with the name of what loads.

    In this process one thing loads at a time: first torch, then models, one after the other in the
    engine's thread. Beside that the pools of a cluster may load; the clock stands while any does.
    """

    def __init__(self, on_loading: Callable[[str], None] | None = None) -> None:
        self._on_loading = on_loading
        self._lock = threading.Lock()
        self._finished_seconds = 0.0
        self._loading_since = 0.0
        self._loads = 0

    @contextmanager
    def loading(self, name: str) -> Iterator[None]:
        """Count what runs inside as loading."""
        if self._on_loading is not None:
            self._on_loading(name)
        with self._lock:
            if self._loads == 0:
                self._loading_since = time.perf_counter()
            self._loads += 1
        try:
            yield
        finally:
            with self._lock:
                self._loads -= 1
                if self._loads == 0:
                    self._finished_seconds += time.perf_counter() - self._loading_since

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
        return self._finished_seconds + (now - self._loading_since if self._loads else 0.0)


class EngineHost:
    """Starts an engine when it is first asked. `on_loading` is told the name of what loads.

    Ensembles that share a host have their models in memory once, and their forward passes
    together; they are closed before it. With `keep` the digest of each model is computed as it
    loads. Raises Mistakes (E715) for a variable of the environment that cannot be read.
    """

    def __init__(
        self, on_loading: Callable[[str], None] | None = None, *, keep: bool = False
    ) -> None:
        self.timer, self.digests = LoadingTimer(on_loading), ModelDigests()
        self._keep, self._where = keep, where_static()
        self._engine: Engine | None = None
        self._stacks: list[Stacked] = []
        self._open = True
        self._lock, self._starting = threading.Lock(), threading.Lock()

    def start(self, ask: Callable[[Checkpoint], NextTokenSource]) -> Engine:
        """Return the engine; `ask` gives what asks the server of a model."""
        with self._starting:
            if self._engine is None:
                with self.timer.loading("torch"):
                    from composer.engine.engine import Engine
                    from composer.engine.static.steps import StaticSteps
                    from composer.engine.weights.local import attach, load

                    with self._lock:
                        if not self._open:
                            raise closed()
                        self._engine = Engine(
                            loader=partial(self._load, load),
                            attach=partial(self._load, attach),
                            ask=ask,
                            static=StaticSteps(self._where),
                        )
                        self._stack(self._engine, self._stacks)
            return self._engine

    def stack(self, stacks: Sequence[Stacked]) -> None:
        """Let models of one shape step as one, with at most so many rows of each in a step."""
        with self._lock:
            self._stacks += stacks
            if self._engine is not None:
                self._stack(self._engine, stacks)

    def _stack(self, engine: Engine, stacks: Sequence[Stacked]) -> None:
        for models, rows in stacks:
            engine.stack(models, rows)

    def close(self) -> None:
        """Close the engine."""
        with self._lock:
            self._open = False
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def _load(self, load: Callable[[Checkpoint, To], Loaded], model: Checkpoint, to: To) -> Loaded:
        """Load a model onto a device, or its adapter beside a base."""
        with self.timer.loading(model.name), self.digests.loading(model, keep=self._keep):
            return load(model, to)

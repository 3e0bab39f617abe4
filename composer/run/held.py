"""What an open ensemble holds: clients, the engine once it is asked, the file of kept answers."""

from __future__ import annotations

import threading
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING

from composer.run.clients import ModelClients
from composer.run.result import closed

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.engine.engine import Engine
    from composer.engine.weights.local import LocalModel
    from composer.run.cache import AnswerCache
    from composer.run.clients import Prices
    from composer.run.loading import LoadingTimer
    from composer.run.model_digests import ModelDigests
    from composer.specs.models import Checkpoint


class Resources:
    """What is given back in the end; it does not know the ensemble, which may be dropped."""

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
        """Close the clients, the engine and the file of kept answers, whatever the others raise."""
        with self._lock:
            self._open = False
            engine, self._engine = self._engine, None
        async with AsyncExitStack() as last:
            last.callback(self.write)
            if engine is not None:
                last.callback(engine.close)
            await self.clients.close()

    def write(self) -> None:
        """Write the answers that wait to be kept, also where something else does not end."""
        if self._cache is not None:
            self._cache.close()

    def _start_engine(self) -> Engine:
        """Start the engine when a local model is first asked."""
        with self._starting:
            if self._engine is None:
                with self._timer.loading("torch"):
                    from composer.engine.engine import Engine
                    from composer.engine.weights.local import load

                    with self._lock:
                        if not self._open:
                            raise closed()
                        self._engine = Engine(loader=partial(self._load, load))
            return self._engine

    def _load(
        self, load: Callable[[Checkpoint, str], LocalModel], model: Checkpoint, device: str
    ) -> LocalModel:
        keep = self._cache is not None
        with self._timer.loading(model.name), self._digests.loading(model, keep=keep):
            return load(model, device)

"""What an open ensemble holds until it is closed: clients, its engine, its cache."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from composer.run.clients import ModelClients

if TYPE_CHECKING:
    from composer.run.cache import AnswerCache
    from composer.run.clients import Prices
    from composer.run.cluster import Pools
    from composer.run.engine_host import EngineHost


class Resources:
    """Clients, engine and cache of an open ensemble, closed together; a shared engine stays open.

    There is no reference to the ensemble, so that a dropped one can be collected.
    """

    def __init__(
        self,
        host: EngineHost,
        cache: AnswerCache | None,
        prices: Prices,
        pools: Pools | None = None,
        *,
        shared: bool,
    ) -> None:
        self._host, self._cache, self._shared = host, cache, shared
        self.clients = ModelClients(host.start, prices, host.timer.clock, pools)

    async def close(self) -> None:
        """Close the clients, the engine and the cache, even if one of them raises."""
        async with AsyncExitStack() as last:
            last.callback(self.write)
            if not self._shared:
                last.callback(self._host.close)
            await self.clients.close()

    def write(self) -> None:
        """Write the answers that wait for the cache, even if something else does not end."""
        if self._cache is not None:
            self._cache.close()

"""The pools of an open ensemble, each a client for the models that its replicas hold."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from composer.specs import Checkpoint, Fuse, bare, leaves
from composer.values import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from composer.cluster.pool import ReplicaPool
    from composer.values import (
        Embed,
        Embedded,
        Generate,
        Generated,
        Model,
        NextDistributions,
        NextTokens,
        Reward,
        Rewarded,
        Score,
        ScoreTexts,
    )

__all__ = ["OpenPools", "PoolClient"]


class PoolClient(Client):
    """Puts requests to the replicas of a pool. A request that fails there has cost nothing."""

    tells_attempts = True

    def __init__(self, pool: ReplicaPool) -> None:
        self._pool, self.room = pool, pool.room

    async def generate(
        self, request: Generate, on_text: Callable[[str], None] | None = None
    ) -> Generated:
        """Let a replica answer."""
        generated: Generated = await self._pool.ask(request, on_text)
        return generated

    async def score(self, request: ScoreTexts) -> tuple[Score, ...]:
        """Let a replica score texts."""
        scores: tuple[Score, ...] = await self._pool.ask(request)
        return scores

    async def embed(self, request: Embed) -> Embedded:
        """Let a replica embed texts."""
        embedded: Embedded = await self._pool.ask(request)
        return embedded

    async def reward(self, request: Reward) -> Rewarded:
        """Let a replica say how good answers are."""
        rewarded: Rewarded = await self._pool.ask(request)
        return rewarded

    async def next_tokens(self, request: NextTokens) -> NextDistributions:
        """Let a replica give next-token distributions."""
        distributions: NextDistributions = await self._pool.ask(request)
        return distributions

    async def load(self, model: Model) -> None:
        """Wait until a replica has loaded its models."""
        del model
        await self._pool.ready()

    async def close(self) -> None:
        """End the replicas."""
        await self._pool.close()


class OpenPools:
    """The clients of all pools, by the models that they hold."""

    def __init__(self, clients: Mapping[Checkpoint, PoolClient]) -> None:
        self._clients = clients

    @property
    def room(self) -> int:
        """How many requests the pool with most replicas can be busy with."""
        return max((client.room for client in self._clients.values()), default=0)

    def of(self, model: Model) -> Client | None:
        """Return the client of the pool that has all of a model, None where none has."""
        if not isinstance(bare(model), Checkpoint | Fuse):
            return None
        clients = {self._clients.get(leaf) for leaf in leaves(model)}
        return clients.pop() if len(clients) == 1 else None

    async def close(self) -> None:
        """End all replicas."""
        await asyncio.gather(*(client.close() for client in set(self._clients.values())))

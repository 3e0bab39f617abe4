"""Draws of one question that reach a client as one request.

Some clients give several answers to one request, whose prompt is then read and billed once. Steps
need not know of that: sampled draws of the same question, asked for at the same moment, are put
together here, whichever step of the query they belong to. Each is still kept, billed and traced by
itself.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from composer.values import ModelError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from composer.values import Completion, Generate, Generated

    Ask = Callable[[Generate], Awaitable[Generated]]

__all__ = ["SharedDraws"]


@dataclass(eq=False)
class SharedDraws:
    """The requests of a run that more draws may still join."""

    _open: dict[tuple[int, Generate], SharedRequest] = field(default_factory=dict)

    async def draw(self, walk: object, request: Generate, most: int, ask: Ask) -> Completion:
        """Return one draw. At most `most` draws of one walk share a request, which `ask` puts."""
        (seed,) = request.seeds
        alike = replace(request, seeds=(), sampling=replace(request.sampling, seed=0))
        key = id(walk), alike
        shared = self._open.get(key)
        if shared is None or len(shared.seeds) >= most or shared.task.cancelling():
            shared = self._open[key] = SharedRequest(alike)
            shared.task = asyncio.create_task(self._put(key, shared, ask))
        return await shared.draw(seed)

    async def _put(self, key: tuple[int, Generate], shared: SharedRequest, ask: Ask) -> Generated:
        try:
            await asyncio.sleep(0)  # all that is asked for at this moment joins
        finally:
            if self._open.get(key) is shared:
                del self._open[key]
        seeds = tuple(shared.seeds)
        return await ask(replace(shared.request, draws=len(seeds), seeds=seeds))


@dataclass(eq=False)
class SharedRequest:
    """One request for several draws; it is cancelled when nobody waits for a draw any more."""

    request: Generate
    seeds: list[int] = field(default_factory=list)
    waiting: int = 0
    task: asyncio.Task[Generated] = field(init=False)

    async def draw(self, seed: int) -> Completion:
        """Join with a draw, and return it; raises ModelError (E701) if it is not in the answer."""
        at = len(self.seeds)
        self.seeds.append(seed)
        self.waiting += 1
        try:
            draws = (await asyncio.shield(self.task)).draws
        finally:
            self.waiting -= 1
            if not self.waiting:
                self.task.cancel()
        if at >= len(draws):
            name, count = self.request.model.name, len(self.seeds)
            text = f"`{name}` gave {len(draws)} of {count} answers that it was asked for at once"
            raise ModelError("E701", text)
        return draws[at]

"""A replica of a pool, from its start to where it is ready; and what is sent to it, in batches."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from composer.cluster.handles import ReplicaLost
from composer.cluster.identity import differences, identities
from composer.cluster.wire import Handshake, Setup, pack, unpack
from composer.values import ModelError

if TYPE_CHECKING:
    from composer.cluster.handles import Handle

__all__ = ["LiveReplica", "handshake"]


class LiveReplica:
    """A replica that is ready, and the task of its life.

    While one batch is on its way, what is to be sent waits.
    """

    def __init__(self, handle: Handle, life: asyncio.Task[None], now: float) -> None:
        self.handle, self.life, self.idle_since = handle, life, now
        self.failure: ReplicaLost | None = None
        self._out: list[bytes] = []
        self._sending: asyncio.Task[None] | None = None

    def send(self, message: bytes) -> None:
        """Send a message with the next batch."""
        self._out.append(message)
        if self._sending is None:
            self._sending = asyncio.ensure_future(self._send())

    async def _send(self) -> None:
        """Send batches until nothing waits; a replica that takes none is ended."""
        try:
            while self._out:
                batch, self._out = self._out, []
                await self.handle.put(pack(batch))
        except ReplicaLost as lost:
            self.failure = lost
            self.handle.kill()
        finally:
            self._sending = None


async def handshake(handle: Handle, setup: Setup) -> None:
    """Let a replica load its models; raises ModelError where it cannot, or has others (E732)."""
    there: Handshake = unpack(await handle.load(pack(setup)))
    if there.error is not None:
        raise there.error.error()
    here = await asyncio.to_thread(identities, setup.models, locked=setup.locked)
    if others := differences(here, there.models):
        names = ", ".join(f"`{name}`" for name in others)
        text = f"{handle.place} has other files of {names} than this machine"
        help_ = "let all machines read the same files, or copy them"
        raise ModelError("E732", text, help_)

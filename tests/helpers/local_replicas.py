"""Replicas in this process, for tests: the real other end, behind a handle that can be killed."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field

from composer.cluster.cluster import open_pools
from composer.cluster.handles import ReplicaLost
from composer.cluster.replica import Replica


class LocalHandle:
    """A replica of this process; killed, it answers nothing more and raises ReplicaLost."""

    def __init__(self, place, replica=None):
        self.place, self.replica = place, replica or Replica()
        self.dead = asyncio.get_running_loop().create_future()
        self.puts = 0

    async def load(self, setup):
        return await self._alive(self.replica.load(setup))

    async def put(self, messages):
        self.puts += 1
        self._demand_alive()
        self.replica.put(messages)

    async def take(self):
        return await self._alive(self.replica.take())

    def kill(self, *, machine=False):
        if not self.dead.done():
            self.dead.set_result(machine)
            threading.Thread(target=self.replica._host.close, daemon=True).start()

    def _demand_alive(self):
        if self.dead.done():
            raise ReplicaLost("it was killed", machine=self.dead.result())

    async def _alive(self, work):
        self._demand_alive()
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait([task, self.dead], return_when=asyncio.FIRST_COMPLETED)
            self._demand_alive()
            return task.result()
        finally:
            task.cancel()


@dataclass
class LocalCluster:
    """Stands for a cluster; `launched` has the handles, `warnings` what was told."""

    make: object = LocalHandle
    launched: list = field(default_factory=list)
    warnings: list = field(default_factory=list)

    async def launch(self, pool):
        handle = self.make(pool.name)
        self.launched.append(handle)
        return handle

    def open(self, planned, timer, *, locked):
        return open_pools(planned, timer, self.launch, self.warnings.append, locked=locked)

    def nodes(self):
        return ({"CPU": 64.0, "memory": 1e12},)

    def kill_newest(self):
        """Kill the replica that was launched last, from any thread."""
        handle = self.launched[-1]
        handle.dead.get_loop().call_soon_threadsafe(handle.kill)

"""Replicas as Ray actors: started in a placement group of one bundle, told and asked, and ended.

Ray restarts no actor and repeats no call (`max_restarts = 0`, `max_task_retries = 0`): a request
that kills one replica would kill the next. The ledger of the pool repeats. Each call has a
deadline, since a call to a machine that is gone may never return.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from composer.cluster.handles import BEAT, ReplicaLost
from composer.cluster.identity import differing, versions
from composer.compiler.plan.describe import amounts_text
from composer.diagnostics.amounts import in_seconds
from composer.quiet import quiet
from composer.values import ModelError

if TYPE_CHECKING:
    from composer.compiler.plan.pools import Pool

__all__ = ["RayHandle", "RayLauncher"]

SILENCE = 30.0
"""Seconds after which a replica that says nothing is taken for dead."""

START = 120.0
"""Seconds that the process of an actor may take to start."""

LOAD = 3600.0
"""Seconds that loading may take, downloads included; a death is noticed before."""

CALLS = 1000
"""Calls that an actor runs at a time: one that waits for what there is to tell, and short ones."""


class RayHandle:
    """A replica in a Ray actor, alone in its placement group."""

    def __init__(self, ray: Any, group: Any, actor: Any) -> None:  # noqa: ANN401 - Ray's own
        self._ray, self._group, self._actor = ray, group, actor
        self._node, self.place, self.process = "", "a node", 0

    async def start(self) -> None:
        """Wait until the process runs; raises ModelError (E732) where it has other versions."""
        self._node, self.place, self.process, there = await self._call("start", START)
        if differs := differing(versions(), there):
            text = f"{self.place} has {differs}"
            raise ModelError("E732", text, "install the same versions on all machines")

    async def load(self, setup: bytes) -> bytes:
        """Load its models; return a Handshake."""
        handshake: bytes = await self._call("load", LOAD, setup)
        return handshake

    async def put(self, messages: bytes) -> None:
        """Hand it requests."""
        await self._call("put", SILENCE, messages)

    async def take(self) -> bytes:
        """Return what it has to tell."""
        messages: bytes = await self._call("take", BEAT + SILENCE)
        return messages

    def kill(self) -> None:
        """End the process, and free its resources."""
        with quiet(), suppress(Exception):
            self._ray.kill(self._actor)
        with quiet(), suppress(Exception):
            self._ray.util.remove_placement_group(self._group)

    async def _call(self, name: str, seconds: float, *data: bytes) -> Any:  # noqa: ANN401 - its value
        """Call a method of the actor; raises ReplicaLost if it died, or says nothing in time."""
        try:
            with quiet():
                future = getattr(self._actor, name).remote(*data).future()
            return await asyncio.wait_for(asyncio.wrap_future(future), seconds)
        except TimeoutError:
            reason = f"it said nothing for {in_seconds(seconds)}"
        except Exception as error:  # noqa: BLE001 - a call that fails has no other meaning
            reason = _reason(error)
        raise ReplicaLost(reason, machine=await asyncio.to_thread(self._machine_lost))

    def _machine_lost(self) -> bool:
        """Say whether the node of the actor has left the cluster."""
        with quiet(), suppress(Exception):
            nodes = self._ray.nodes()
            return any(node["NodeID"] == self._node and not node["Alive"] for node in nodes)
        return True


class RayLauncher:
    """Starts replicas on a Ray cluster; one that finds no resources in so many seconds fails."""

    def __init__(self, ray: Any, patience: float) -> None:  # noqa: ANN401 - the module
        self._ray, self._patience = ray, patience
        self._actor = ray.remote(_actor_class())

    async def __call__(self, pool: Pool) -> RayHandle:
        """Start a replica of a pool; raises ModelError (E733) where no machine has room in time."""
        handle = await self._placed(pool)
        try:
            await handle.start()
        except BaseException:
            handle.kill()
            raise
        return handle

    async def _placed(self, pool: Pool) -> RayHandle:
        """Wait for a placement group, and begin to start an actor in it."""
        util = self._ray.util
        with quiet():
            group = await asyncio.to_thread(util.placement_group, [dict(pool.bundle)])
        try:
            future = group.ready().future()
            await asyncio.wait_for(asyncio.wrap_future(future), self._patience)
        except BaseException as error:
            with suppress(Exception):
                util.remove_placement_group(group)
            if isinstance(error, TimeoutError):
                raise self._no_room(pool) from None
            raise
        strategy = util.scheduling_strategies.PlacementGroupSchedulingStrategy(group, 0)
        actor = self._actor.options(
            num_cpus=pool.cpus,
            num_gpus=pool.gpus,
            resources=dict(pool.resources),
            scheduling_strategy=strategy,
        )
        with quiet():
            return RayHandle(self._ray, group, actor.remote())

    def _no_room(self, pool: Pool) -> ModelError:
        text = f"no node had room for a replica of `{pool.name}` in {in_seconds(self._patience)}"
        help_ = "lower `replicas`, `cpus` or `gpus`, or add nodes"
        return ModelError("E733", f"{text}: it takes {amounts_text(pool.bundle)}", help_)


def _reason(error: Exception) -> str:
    """Say why an actor died, in the one line of Ray's many that says it."""
    text = str(error)
    known = {
        "node has died": "its node has left the cluster",
        "node was terminated": "its node has left the cluster",
        "running low on memory": "the node had too little memory",
        "connection error code 2": "its process was killed, or crashed",
        "unavailable": "its process cannot be reached",
    }
    return next((words for part, words in known.items() if part in text), type(error).__name__)


def _actor_class() -> type:
    """Return the class of the actor. It is sent to the nodes as a whole, not by its name.

    So a node without this package can say so.
    """

    class ReplicaActor:
        """A replica behind Ray's calls."""

        def __init__(self) -> None:
            self.replica: Any = None

        async def start(self) -> tuple[str, str, int, dict[str, str]]:
            """Return the node's id, its name, the id of this process, and its versions."""
            import os
            import socket

            import ray

            try:
                from composer.cluster.identity import versions

                found = dict(versions())
            except ImportError:
                found = {}
            node = ray.get_runtime_context().get_node_id()
            place = f"{socket.gethostname()} ({ray.util.get_node_ip_address()})"
            return node, place, os.getpid(), found

        async def load(self, setup: bytes) -> bytes:
            """Load models."""
            from composer.cluster.replica import Replica

            self.replica = Replica()
            handshake: bytes = await self.replica.load(setup)
            return handshake

        async def put(self, messages: bytes) -> None:
            """Take requests."""
            self.replica.put(messages)

        async def take(self) -> bytes:
            """Tell what there is."""
            messages: bytes = await self.replica.take()
            return messages

    return ReplicaActor

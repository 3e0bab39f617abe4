"""A replica as this process sees it, whatever runs it: Ray, or a thread in tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from composer.compiler.plan.pools import Pool

__all__ = ["BEAT", "Handle", "Launch", "ReplicaLost"]

BEAT = 5.0
"""Seconds after which a replica that has nothing to tell says so."""


class ReplicaLost(Exception):  # noqa: N818 - the state of a replica, which the pool handles
    """A replica that died, and why; `machine` says that its whole machine was lost."""

    def __init__(self, reason: str, *, machine: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.machine = reason, machine


class Handle(Protocol):
    """One replica; `place` says in words where it is. Methods raise ReplicaLost if it has died."""

    place: str

    async def load(self, setup: bytes) -> bytes:
        """Load its models; return a Handshake. It may take as long as loading takes."""

    async def put(self, messages: bytes) -> None:
        """Hand it requests; it has them when this returns."""

    async def take(self) -> bytes:
        """Return what it has to tell, as soon as there is something, or after BEAT seconds."""

    def kill(self) -> None:
        """End it at once, whatever it does, and free its resources."""


class Launch(Protocol):
    """Starts replicas."""

    async def __call__(self, pool: Pool) -> Handle:
        """Start a replica of a pool; raises ModelError (E733) where no machine has room in time."""

"""What a cluster is to a run: it opens pools, whose replicas answer requests in other processes.

The walk of the graph stays in this process, with cache, budget and trace. A request goes to a pool
as a whole. This package knows no cluster; `composer.cluster` has one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from composer.compiler.plan import Planned
    from composer.run.engine_host import LoadingTimer
    from composer.values import Client, Model

__all__ = ["Cluster", "Pools"]


class Pools(Protocol):
    """The pools of an open ensemble, which live as long as it does."""

    @property
    def room(self) -> int:
        """How many requests the pool with most replicas can be busy with."""

    def of(self, model: Model) -> Client | None:
        """Return the client of the pool that has all of a model; None where this process asks."""

    async def close(self) -> None:
        """End all replicas."""


class Cluster(Protocol):
    """Machines on which replicas can be started."""

    def open(self, planned: Planned, timer: LoadingTimer, *, locked: bool) -> Pools:
        """Return the pools of a plan, whose replicas start when one is first asked.

        `timer` counts the seconds in which no replica of a pool is there yet. Where the recipe is
        `locked`, replicas must have the same files of its models, byte by byte.
        """

    def nodes(self) -> tuple[Mapping[str, float], ...]:
        """Return the resources of each node: `CPU`, `GPU`, `memory` in bytes, and custom ones."""

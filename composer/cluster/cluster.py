"""A cluster of machines on which replicas hold the models of recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from composer.cluster.client import OpenPools, PoolClient
from composer.cluster.connecting import connect, disconnect
from composer.cluster.pool import ReplicaPool
from composer.cluster.ray_handles import RayLauncher
from composer.cluster.wire import Setup
from composer.compiler.plan.pools import pools_of
from composer.run.result import as_warning

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from composer.cluster.handles import Launch
    from composer.compiler.plan import Planned
    from composer.diagnostics import Diagnostic
    from composer.run.engine_host import LoadingTimer
    from composer.specs import Checkpoint

__all__ = ["Cluster", "open_pools"]


class Cluster:
    """Machines that Ray joins, for `Recipe.ready(cluster = ...)`; close it, or use `with`."""

    def __init__(
        self,
        ray: Any,  # noqa: ANN401 - the module
        patience: float,
        warn: Callable[[Diagnostic], None] = as_warning,
        *,
        joined: bool = False,
    ) -> None:
        self._ray, self._warn, self._joined = ray, warn, joined
        self._launch = RayLauncher(ray, patience)

    @classmethod
    def connect(
        cls,
        address: str = "local",
        *,
        within: float = 30.0,
        patience: float = 120.0,
        warn: Callable[[Diagnostic], None] = as_warning,
    ) -> Self:
        """Connect to the Ray cluster at an address, or start one of this machine (`local`).

        A replica waits `patience` seconds for its resources. Deaths of replicas are passed to
        `warn` (W704).

        Raises Failure if Ray is not installed (E735), if nobody answers at the address within so
        many seconds (E731), or if the cluster has another version of Ray or Python (E732).
        """
        ray, joined = connect(address, within)
        return cls(ray, patience, warn, joined=joined)

    def open(self, planned: Planned, timer: LoadingTimer, *, locked: bool) -> OpenPools:
        """Return the pools of a plan, whose replicas start when one is first asked."""
        return open_pools(planned, timer, self._launch, self._warn, locked=locked)

    def nodes(self) -> tuple[Mapping[str, float], ...]:
        """Return the resources of each node: `CPU`, `GPU`, `memory` in bytes, and custom ones."""
        return tuple(node["Resources"] for node in self._ray.nodes() if node["Alive"])

    def close(self) -> None:
        """Leave the cluster, if it was joined here; one that was started here ends."""
        if self._joined:
            disconnect(self._ray)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_pools(
    planned: Planned,
    timer: LoadingTimer,
    launch: Launch,
    warn: Callable[[Diagnostic], None],
    *,
    locked: bool,
) -> OpenPools:
    """Return a client for each pool of a plan, by the models that it holds."""
    prices = {model.name: model.price for model in planned.plan.models}
    clients: dict[Checkpoint, PoolClient] = {}
    for pool in pools_of(planned.root):
        setup = Setup(pool.models, prices, locked)
        client = PoolClient(ReplicaPool(pool, setup, launch, timer=timer, warn=warn))
        clients |= dict.fromkeys(pool.models, client)
    return OpenPools(clients)

"""A cluster of machines on which replicas hold the models of recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from composer.compiler.plan import Planned
    from composer.run.cluster import Pools
    from composer.run.engine_host import LoadingTimer
    from composer.values.card import Price

__all__ = ["Cluster"]


class Cluster:
    """Machines that Ray joins, for `Recipe.ready(cluster = ...)`; close it, or use `with`."""

    @classmethod
    def connect(cls, address: str = "local", *, within: float = 30.0) -> Self:
        """Connect to the Ray cluster at an address, or start one of this machine (`local`).

        Raises Failure if Ray is not installed (E730), if nobody answers at the address within so
        many seconds (E731), or if a node has other versions than this process (E732).
        """
        raise NotImplementedError(address, within)

    def open(self, planned: Planned, prices: Mapping[str, Price], timer: LoadingTimer) -> Pools:
        """Return the pools of a plan, whose replicas start when one is first asked."""
        raise NotImplementedError(planned, prices, timer)

    def nodes(self) -> tuple[Mapping[str, float], ...]:
        """Return the resources of each node: `CPU`, `GPU`, `memory` in bytes, and custom ones."""
        raise NotImplementedError

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

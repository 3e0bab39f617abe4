"""Whether the pools of a plan fit on the nodes of a cluster, told before anything starts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from composer.compiler.plan.describe import amounts_text
from composer.diagnostics import Diagnostic, Mistakes
from composer.diagnostics.amounts import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from composer.compiler.plan.pools import Pool

    Amounts = Mapping[str, float]

__all__ = ["demand_room", "unplaced"]

HELP = "lower `cpus`, `gpus` or `replicas`, use a smaller `dtype`, or add nodes to the cluster"


def demand_room(pools: Sequence[Pool], nodes: Sequence[Amounts]) -> None:
    """Raise Mistakes (E603) where the least number of replicas has no room on empty nodes."""
    mistakes = list(unplaced(pools, nodes))
    if mistakes:
        raise Mistakes(mistakes)


def unplaced(pools: Sequence[Pool], nodes: Sequence[Amounts]) -> Iterator[Diagnostic]:
    """Yield the pools of which no replica fits anywhere, else those that have no room left.

    Replicas go to the first node that has room, those that take most first.
    """
    homeless = [pool for pool in pools if not any(_fits(pool.bundle, node) for node in nodes)]
    yield from (_too_large(pool, nodes) for pool in homeless)
    if homeless:
        return
    free = [Counter(node) for node in nodes]
    for pool in sorted(pools, key=lambda pool: _size(pool.bundle), reverse=True):
        placed = 0
        while placed < pool.fewest and _put(pool.bundle, free):
            placed += 1
        if placed < pool.fewest:
            yield _too_many(pool, placed)


def _fits(bundle: Amounts, node: Amounts) -> bool:
    return all(amount <= node.get(name, 0.0) for name, amount in bundle.items())


def _put(bundle: Amounts, free: Sequence[Counter[str]]) -> bool:
    """Take the room of a replica from the first node that has it; say whether one had."""
    node = next((each for each in free if _fits(bundle, each)), None)
    if node is not None:
        node.subtract(bundle)
    return node is not None


def _size(bundle: Amounts) -> tuple[float, ...]:
    return tuple(bundle.get(name, 0.0) for name in ("GPU", "CPU", "memory"))


def _too_large(pool: Pool, nodes: Sequence[Amounts]) -> Diagnostic:
    nearest = min(nodes, key=lambda node: len(_lacking(pool.bundle, node)), default={})
    lacks = _lacking(pool.bundle, nearest)
    has = amounts_text({name: nearest.get(name, 0.0) for name in lacks}) or "none of that"
    text = f"a replica of `{pool.name}` fits on no node of the cluster: it takes "
    text += f"{amounts_text(lacks)}, and the nearest node has {has}"
    return Diagnostic("E603", text, help=HELP)


def _lacking(bundle: Amounts, node: Amounts) -> Amounts:
    """Return what a replica takes more of than a node has."""
    return {name: amount for name, amount in bundle.items() if amount > node.get(name, 0.0)}


def _too_many(pool: Pool, placed: int) -> Diagnostic:
    text = f"`{pool.name}` is to have {counted(pool.fewest, 'replica')}, and beside the other pools"
    text += f" the cluster has room for {placed}; each takes {amounts_text(pool.bundle)}"
    return Diagnostic("E603", text, help=HELP)

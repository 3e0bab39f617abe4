"""How many replicas a pool should have: more while requests wait, fewer while replicas are idle."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Load", "wanted"]

GROW_AFTER = 1.0
"""Seconds that a request waits, since all replicas are busy, before another replica is started."""

SHRINK_AFTER = 30.0
"""Seconds without a request after which a replica above the lower bound is ended."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a pool does now: replicas there are and that start, with idle seconds of the idlest.

    `waits` are the seconds that the oldest request waits, None where none does.
    """

    ready: int
    starting: int
    waits: float | None
    idle: float


def wanted(load: Load, fewest: int, most: int) -> int:
    """Return how many replicas there should be, within the bounds: one more or less at a time.

    While one starts, no other is added, since it may be enough.
    """
    there = load.ready + load.starting
    if there < fewest:
        return fewest
    if load.waits is not None and load.waits > GROW_AFTER and not load.starting:
        return min(there + 1, most)
    if load.waits is None and load.idle > SHRINK_AFTER and not load.starting:
        return max(there - 1, fewest)
    return there

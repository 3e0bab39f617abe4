"""Which walls this system can hold, found out by a run that does nothing."""

from __future__ import annotations

from functools import cache

from composer.sandbox.process.jobs import WALLS, Job, WallError
from composer.sandbox.process.running import run_blocking


@cache
def missing_walls() -> dict[str, str]:
    """Return the walls that cannot be held here, and why."""
    try:
        return dict(run_blocking(Job("", allow=frozenset(WALLS))).walls)
    except WallError as error:
        return {name: str(error) for name in WALLS}


def walls_here() -> dict[str, bool]:
    """Return for each wall whether this system can hold it."""
    return {name: name not in missing_walls() for name in WALLS}

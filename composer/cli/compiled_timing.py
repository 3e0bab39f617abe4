"""`doctor --measure`: passes of fixed shapes, compiled and plain, where steps have fixed shapes."""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import TYPE_CHECKING, cast

from composer.heavy import torch
from composer.quiet import quiet
from composer.values.timings import CompiledTime

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.engine.rows.attention import BatchedAttention
    from composer.engine.rows.runner import Runner
    from composer.engine.static.compiling import PassFunction

__all__ = ["compiled_times"]

ROWS = (1, 16)
"""Rows of a pass; what it gains for others lies between."""

REACH, TURNS, WARM = 64, 30, 3


def compiled_times(runner: Runner, tell: Callable[[str], None]) -> dict[int, CompiledTime]:
    """Time passes of some rows; `tell` is called with the reason where they cannot be compiled."""
    from composer.engine.static.setting import where_static
    from composer.engine.static.steps import StaticSteps

    if not StaticSteps(where_static()).run_on(runner):
        return {}
    try:
        with quiet():  # torch warns of its own code while it compiles
            return {rows: _timed(runner, rows) for rows in ROWS}
    except Exception as error:  # noqa: BLE001  # whatever it is, steps are not compiled
        first = next(iter(str(error).strip().splitlines()), "")
        tell(f"{runner.model.name} without compiled steps: {type(error).__name__}: {first}")
        return {}


def _timed(runner: Runner, count: int) -> CompiledTime:
    from composer.engine.rows.fixed_pass import fixed_pass
    from composer.engine.static.compiling import compiled

    table = cast("BatchedAttention", runner.rows)
    ids = torch.ones(count, dtype=torch.long, device=table.device)
    places = torch.full_like(ids, 16)
    rows = [table.allocate() for _ in range(count)]
    table.reserve(REACH)
    with torch.inference_mode():
        plain: PassFunction = partial(fixed_pass, table, reach=REACH)
        began = time.perf_counter()
        made = compiled(plain, ids, places)
        compiling = time.perf_counter() - began
        times: tuple[list[float], list[float]] = [], []
        for _ in range(WARM + TURNS):
            for seconds, read in zip(times, (made, plain), strict=True):
                began = time.perf_counter()
                read(ids, places)
                if table.device.type == "cuda":
                    torch.cuda.synchronize(table.device)
                seconds.append(time.perf_counter() - began)
    for row in reversed(rows):
        table.free(row)
    first, second = (round(statistics.median(each[WARM:]), 7) for each in times)
    return CompiledTime(seconds=first, plain=second, compiling=round(compiling, 3))

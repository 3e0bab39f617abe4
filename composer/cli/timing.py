"""`doctor --measure`: how long forward passes take, saved for the choices that depend on it.

Each shape of models is timed once on each device (`composer/values/timings.py` has the file). A
figure is the median of several passes, each waited for.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

from composer.atomic import write_atomically
from composer.heavy import torch
from composer.run.result import Failure
from composer.specs.shapes import shape_of
from composer.values.timings import (
    ShapeTimings,
    Timings,
    read_timings,
    this_machine,
    timings_file,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from composer.engine.rows.row import CacheRow
    from composer.engine.rows.runner import Runner
    from composer.specs import Checkpoint

ZOO = ("general-1", "large")
"""The models of the zoo that are timed where no recipe is given: one of each shape."""

ROWS = (1, 2, 3, 4, 8, 16)
"""Rows in a step."""

TOKENS = (1, 2, 3, 4, 5, 6, 8, 12, 16)
"""Tokens that one row reads in a pass."""

READ, WARM, STEPS, LONGEST = 16, 3, 40, 3.0
"""Tokens that each row holds at first, passes that are not timed, those that are, and seconds after
which no further pass of the same kind is begun."""


def measure(
    models: Iterable[Checkpoint], tell: Callable[[str], None] = lambda _: None
) -> tuple[ShapeTimings, ...]:
    """Time models, one of each shape on each device; `tell` is called before each begins."""
    timings: dict[tuple[str, str], ShapeTimings] = {}
    for model in models:
        device = model.weights.device
        shape = shape_of(model, device)
        if shape is not None and (shape, device) not in timings:
            tell(f"{model.name} on {device}")
            timings[shape, device] = _timed(model, shape, device)
    return tuple(timings.values())


def zoo_models() -> Iterator[Checkpoint]:
    """Yield the models of the zoo that are timed, on each device of this machine."""
    from composer.backends.zoo import Zoo
    from composer.engine.pool import devices
    from composer.specs import Declared

    for device in devices():
        yield from (Declared(name, Zoo(model=name, device=device)) for name in ZOO)


def save(shapes: tuple[ShapeTimings, ...]) -> tuple[Path, Timings]:
    """Add timings to those that are saved and hold, and write them whole or not at all.

    Returns the file and all that it holds. Raises Failure (E718) where it cannot be written.
    """
    kept = read_timings().timings or Timings(machine=this_machine(), shapes=())
    timings = kept.with_more(shapes)
    try:
        path = timings_file()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, f"{timings.model_dump_json(indent=2)}\n".encode())
    except OSError as error:
        text = f"cannot save the times in the cache folder: {error}"
        raise Failure(
            "E718", text, "free some space there, or set XDG_CACHE_HOME to another folder"
        ) from error
    return path, timings


def _timed(model: Checkpoint, shape: str, device: str) -> ShapeTimings:
    from composer.engine.rows.runner import Runner
    from composer.engine.weights.local import load

    runner = Runner(load(model, device))
    return ShapeTimings(
        shape=shape,
        device=device,
        name=model.name,
        decode={rows: _pass(runner, rows, 1) for rows in ROWS},
        verify={tokens: _pass(runner, 1, tokens) for tokens in TOKENS},
    )


def _pass(runner: Runner, count: int, tokens: int) -> float:
    """Time a pass in which each of some rows reads some tokens, whose logits are all wanted."""
    from composer.engine.rows.row import Feed

    rows = [runner.rows.allocate() for _ in range(count)]
    runner.forward([Feed(row, _ids(READ), [READ - 1]) for row in rows])
    for row in rows:
        runner.rows.snapshot(row)

    def step() -> None:
        runner.forward([Feed(row, _ids(tokens), range(tokens)) for row in rows])
        _back(runner, rows)

    seconds = _median(step, str(runner.model.device))
    for row in rows:
        runner.rows.free(row)
    return seconds


def _ids(count: int) -> list[int]:
    return [1 + at % 8 for at in range(count)]


def _back(runner: Runner, rows: Sequence[CacheRow]) -> None:
    """Let rows hold what they held before the pass, so that each pass has the same work."""
    for row in rows:
        runner.rows.crop(row, READ)


def _median(step: Callable[[], object], device: str) -> float:
    """Return the median seconds of a step, each waited for."""
    times: list[float] = []
    with torch.inference_mode():
        while len(times) < WARM + STEPS and sum(times) < LONGEST:
            began = time.perf_counter()
            step()
            if device.startswith("cuda"):
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - began)
    return round(statistics.median(times[WARM:] or times), 7)

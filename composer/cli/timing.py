"""`doctor --measure`: how long a decode step takes, saved so that plans may rely on it.

The times lie in `timings.json` in the user's cache folder, `~/.cache/ensemble-composer` or below
`XDG_CACHE_HOME`: for each device the median seconds of a step of one model at several batch
sizes, and of a step that two members share. Plans read what was saved and never measure.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import TYPE_CHECKING

from composer.atomic import write_atomically
from composer.diagnostics.caches import cache_folder
from composer.heavy import torch
from composer.run.result import Failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from composer.engine.rows.row import CacheRow
    from composer.engine.rows.runner import Runner

VERSION = 1

MODELS = ("general-1", "maths")
"""The models of the zoo that are timed; the two are of one size and one tokenizer."""

BATCHES = (1, 2, 3, 4, 8, 16)
"""Rows in a step."""

READ, WARM, STEPS = 16, 5, 40
"""Tokens that each row holds at first, steps that are not timed, and steps that are."""

Timings = dict[str, object]


def timings_file() -> Path:
    """Return where times are saved."""
    return cache_folder() / "timings.json"


def measure(tell: Callable[[str], None] = lambda _: None) -> Timings:
    """Time every device; `tell` is called with the name of each before it begins."""
    from composer.engine.pool import devices

    timings = {}
    for device in devices():
        tell(device)
        timings[device] = _on(device)
    return {
        "version": VERSION,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "models": list(MODELS),
        "devices": timings,
    }


def save(timings: Timings) -> Path:
    """Write times to the user's cache, whole or not at all."""
    try:
        path = timings_file()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, f"{json.dumps(timings, indent=2)}\n".encode())
    except OSError as error:
        text = f"cannot save the times in the cache folder: {error}"
        raise Failure(
            "E718", text, "free some space there, or set XDG_CACHE_HOME to another folder"
        ) from error
    return path


def _on(device: str) -> Timings:
    """Time one device: steps of one model by batch, then steps of two members."""
    first, second = (_runner(name, device) for name in MODELS)
    decode = {str(batch): _decode(first, batch) for batch in BATCHES}
    return {"decode": decode, "shared_step": _shared(first, second)}


def _runner(name: str, device: str) -> Runner:
    from composer.backends.zoo import Zoo
    from composer.engine.rows.runner import Runner
    from composer.engine.weights.local import load
    from composer.specs import Declared

    return Runner(load(Declared(name, Zoo(model=name)), device))


def _decode(runner: Runner, batch: int) -> float:
    """Time a step in which each of some rows reads one token."""
    rows = _rows(runner, batch)
    seconds = _median(lambda: _step(runner, rows), str(runner.model.device))
    for row in rows:
        runner.rows.free(row)
    return seconds


def _shared(first: Runner, second: Runner) -> float:
    """Time a token of two members: a step of each, and the mean of what they say."""
    rows = [_rows(runner, 1) for runner in (first, second)]

    def step() -> None:
        logits_list = [
            _step(runner, row_list) for runner, row_list in zip((first, second), rows, strict=True)
        ]
        torch.stack([logits.softmax(-1) for logits in logits_list]).mean(0).argmax(-1).tolist()

    return _median(step, str(first.model.device))


def _rows(runner: Runner, batch: int) -> list[CacheRow]:
    """Open rows that have read a little."""
    from composer.engine.rows.row import Feed

    rows = [runner.rows.allocate() for _ in range(batch)]
    runner.forward([Feed(row, [1 + at % 8 for at in range(READ)], [READ - 1]) for row in rows])
    return rows


def _step(runner: Runner, rows: list[CacheRow]) -> torch.Tensor:
    from composer.engine.rows.row import Feed

    return runner.forward([Feed(row, [1], [0]) for row in rows])


def _median(step: Callable[[], object], device: str) -> float:
    """Return the median seconds of a step, each waited for."""
    times = []
    with torch.inference_mode():
        for at in range(WARM + STEPS):
            began = time.perf_counter()
            step()
            if device.startswith("cuda"):
                torch.cuda.synchronize(device)
            if at >= WARM:
                times.append(time.perf_counter() - began)
    return round(statistics.median(times), 7)

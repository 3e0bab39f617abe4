"""`doctor --measure`: how long forward passes take, saved for the choices that depend on it.

Each shape of models is timed once on each device (`composer/values/timings.py` has the file). A
figure is the median of several passes, each waited for.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from composer.atomic import write_atomically
from composer.cli.compiled_timing import compiled_times
from composer.heavy import torch
from composer.run.result import Failure
from composer.specs.shapes import shape_of
from composer.values.timings import (
    Agreement,
    ShapeTimings,
    StackedTime,
    Timings,
    read_timings,
    this_machine,
    timings_file,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from composer.engine.rows.row import CacheRow, Feed
    from composer.engine.rows.runner import Runner
    from composer.engine.rows.stacked import StackedMembers
    from composer.specs import Checkpoint

ZOO = ("general-1", "maths", "large")
"""The models of the zoo that are timed where no recipe is given; the first two have one shape."""

ROWS = (1, 2, 3, 4, 8, 16)
"""Rows in a step."""

FEW, MANY = 1, 16
TOKENS = (2, 3, 4, 5, 6, 8, 12, 16)
"""Tokens that each of few or many rows reads in a pass."""

STACKED = (1, 4, 16)
"""Rows of each member in a step of stacked members."""

READ, WARM, STEPS, LONGEST = 16, 3, 40, 3.0
"""Tokens that each row holds at first, passes that are not timed, those that are, and seconds after
which no further pass of the same kind is begun."""

Step = Callable[[], object]


def measure(
    models: Iterable[Checkpoint], tell: Callable[[str], None] = lambda _: None
) -> tuple[ShapeTimings, ...]:
    """Time models by their shape and device; `tell` is told which, and which not and why."""
    groups: dict[tuple[str, str], dict[str, Checkpoint]] = {}
    for model in models:
        device = model.weights.device
        shape = shape_of(model, device)
        if shape is None:
            tell(f"not measured: {model.name}, whose weights are not on this machine")
        elif model.weights.adapter is not None:
            tell(f"not measured: {model.name}, which has an adapter")
        else:
            groups.setdefault((shape, device), {}).setdefault(model.weights.key, model)
    timings = (
        _timed(list(members.values()), shape, device, tell)
        for (shape, device), members in groups.items()
    )
    return tuple(each for each in timings if each is not None)


def zoo_models() -> Iterator[Checkpoint]:
    """Yield the models of the zoo that are timed, on each device of this machine."""
    from composer.backends.zoo import Zoo
    from composer.engine.pool import devices
    from composer.specs import Declared

    for device in devices():
        yield from (Declared(name, Zoo(model=name, device=device)) for name in ZOO)


def save(
    shapes: tuple[ShapeTimings, ...], agreements: tuple[Agreement, ...] = ()
) -> tuple[Path, Timings]:
    """Add timings to those that are saved and hold, and write them whole or not at all.

    Returns the file and all that it holds. Raises Failure (E718) where it cannot be written.
    """
    kept = read_timings().timings or Timings(machine=this_machine(), shapes=())
    timings = kept.with_more(shapes, agreements)
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


def _timed(
    models: Sequence[Checkpoint], shape: str, device: str, tell: Callable[[str], None]
) -> ShapeTimings | None:
    from composer.engine.rows.encoder_decoder import EncoderDecoderRows
    from composer.engine.rows.runner import Runner
    from composer.engine.weights.local import load

    names = ", ".join(each.name for each in models)
    tell(f"measuring {names} on {device}")
    first, *others = (Runner(load(model, device)) for model in models)
    if isinstance(first.rows, EncoderDecoderRows):
        tell(f"not measured: {names}, which read with an encoder and write with a decoder")
        return None
    decode = {rows: _alone(first, rows, (1,))[1] for rows in ROWS}
    verify = {rows: _alone(first, rows, TOKENS) for rows in (FEW, MANY)}
    return ShapeTimings(
        shape=shape,
        device=device,
        name=models[0].name,
        decode=decode,
        verify=verify,
        stacked=_stacked([first, *others]) if others else {},
        compiled=compiled_times(first, tell),
    )


def _alone(runner: Runner, count: int, tokens: Sequence[int]) -> dict[int, float]:
    """Time passes in which each of some rows reads some tokens, whose logits are all wanted."""
    with torch.inference_mode(), _rows(runner, count) as rows:
        return medians(
            {n: partial(runner.forward, _feeds(rows, n)) for n in tokens},
            partial(_back, [runner], [rows]),
        )


def _stacked(runners: Sequence[Runner]) -> dict[int, dict[int, StackedTime]]:
    """Time steps of stacked members and apart, by turns; nothing where the trial fails."""
    from composer.engine.rows.stacked import StackedMembers

    with torch.inference_mode():
        stack = StackedMembers(runners, max(STACKED))
        if stack.apart is not None:
            return {}
        return {len(runners): {rows: _one_stack(stack, runners, rows) for rows in STACKED}}


def _one_stack(stack: StackedMembers, runners: Sequence[Runner], count: int) -> StackedTime:
    with ExitStack() as opened:
        rows = [opened.enter_context(_rows(runner, count)) for runner in runners]
        feeds = [_feeds(each, 1) for each in rows]

        def apart() -> None:
            for runner, own in zip(runners, feeds, strict=True):
                runner.forward(own)

        steps: dict[int, Step] = {0: partial(stack.forward, feeds), 1: apart}
        times = medians(steps, partial(_back, runners, rows))
        return StackedTime(seconds=times[0], apart=times[1])


@contextmanager
def _rows(runner: Runner, count: int) -> Iterator[list[CacheRow]]:
    """Open rows that have read a little."""
    from composer.engine.rows.row import Feed

    rows = [runner.rows.allocate() for _ in range(count)]
    runner.forward([Feed(row, _ids(READ), [READ - 1]) for row in rows])
    for row in rows:
        runner.rows.snapshot(row)
    try:
        yield rows
    finally:
        for row in reversed(rows):
            runner.rows.free(row)


def _feeds(rows: Iterable[CacheRow], tokens: int) -> list[Feed]:
    from composer.engine.rows.row import Feed

    return [Feed(row, _ids(tokens), range(tokens)) for row in rows]


def _ids(count: int) -> list[int]:
    return [1 + at % 8 for at in range(count)]


def _back(runners: Sequence[Runner], rows: Sequence[Sequence[CacheRow]]) -> None:
    """Let rows hold what they held before the pass, so that each pass has the same work."""
    for runner, own in zip(runners, rows, strict=True):
        for row in own:
            runner.rows.crop(row, READ)


def medians(steps: Mapping[int, Step], back: Callable[[], None]) -> dict[int, float]:
    """Return the median seconds of steps, taken by turns and each waited for."""
    times: dict[int, list[float]] = {key: [] for key in steps}
    began = time.perf_counter()
    for done in range(WARM + STEPS):
        if done > 1 and time.perf_counter() - began > LONGEST:
            break
        for key, step in steps.items():
            times[key].append(_seconds(step))
            back()
    return {key: round(statistics.median(each[WARM:] or each), 7) for key, each in times.items()}


def _seconds(step: Step) -> float:
    """The seconds of a step; of the processor where one thread computes, whoever else uses it."""
    alone = torch.get_num_threads() == 1 and not torch.cuda.is_available()
    clock = time.process_time if alone else time.perf_counter
    began = clock()
    step()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - began

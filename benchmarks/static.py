"""Steps of fixed shapes beside ragged ones: the same answers, and the ratio of their time.

    python benchmarks/static.py [wide|stories|zoo|chunks|pages ...] [--blocks 5] [--data FOLDER]

Two engines take turns in one process, on one thread. One answers draws by static steps
(`composer/engine/static/`), the other the ragged way; figures are CPU seconds of whole answers,
prompts included, as a ratio static / ragged: the median over the blocks with its lowest and highest
block. `wide` are random Llamas of hidden 256 with two vocabularies of 32,000 (`synthetic.py`).

`chunks` shows how long a row that writes waits while a prompt of 4,000 tokens is read: its longest
gap between two tokens, over the time of one chunk (of the last one, which attends to most).
`pages` is attention over pages that are gathered by a table, over that of slots that lie in order.
"""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import synthetic
import torch
from fusion import MODELS, UNION, pair
from torch.nn.functional import scaled_dot_product_attention as attention

from composer.backends.hf import HF
from composer.backends.zoo import Zoo
from composer.engine.engine import Engine
from composer.engine.requests import reading
from composer.engine.rows.row import Feed
from composer.engine.rows.runner import Runner
from composer.engine.static.steps import StaticSteps
from composer.engine.weights.local import load
from composer.methods import Mean, Shared
from composer.specs import Declared, TokenFuse
from composer.values import Completion, Generate, Query, Sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from composer.engine.static.steps import Where
    from composer.engine.weights.local import LocalModel
    from composer.specs.models import Checkpoint
    from composer.values import Model

ROWS = 1, 4, 16
LONG, WRITTEN = 4000, 60
PAGE = 64


def zoo(_: Path) -> TokenFuse:
    """Fuse two models of the zoo with unlike vocabularies."""
    members = tuple(Declared(name, Zoo(model=name)) for name in ("general-1", "other"))
    return TokenFuse(members, ("a", "b"), combine=Mean(), align=UNION)


def stories(data: Path) -> TokenFuse:
    """Fuse two models of stories with one vocabulary."""
    folders = [data / "models" / name for name in ("stories260K", "stories260K-ft-shakespeare")]
    members = tuple(Declared(each.name, HF(path=str(each))) for each in folders)
    return TokenFuse(members, ("a", "b"), combine=Mean(), align=Shared())


def wide(_: Path) -> TokenFuse:
    """Fuse two random models of hidden 256."""
    return pair(32_000)


KINDS = {"wide": wide, "stories": stories, "zoo": zoo}


def answers(engine: Engine, who: Model, rows: int, seed: int) -> list[Completion]:
    """Write answers side by side: greedy ones, and with a seed drawn ones."""
    how = partial(Sampling, max_tokens=32, temperature=1.0 if seed else 0.0)
    jobs = [
        Generate(who, Query.of(synthetic.prompt(row, 8)), how(seed=seed)) for row in range(rows)
    ]
    futures = [engine.generate(job) for job in jobs]
    return [future.result() for future in futures]


def loaded(model: Checkpoint, device: str) -> LocalModel:
    """Load a model, or find the one that was made here."""
    return MODELS[model.name] if model.name in MODELS else load(model, device)


def compare(name: str, data: Path, blocks: int) -> None:
    """Print a line for each number of rows: alike answers, and the ratio of CPU seconds."""
    who = KINDS[name](data)
    with opened("nowhere") as ragged, opened("everywhere") as static:
        engines = [ragged, static]
        for rows in ROWS:
            made = [[answers(each, who, rows, seed) for seed in range(3)] for each in engines]
            alike = sum(
                a.text == b.text
                for one, other in zip(*made, strict=True)
                for a, b in zip(one, other, strict=True)
            )
            ratios = [block(engines, who, rows, turn) for turn in range(blocks)]
            low, middle, high = min(ratios), statistics.median(ratios), max(ratios)
            print(
                f"{name:8} {rows:3} rows  {alike} of {3 * rows} answers alike  "
                f"static / ragged {middle:.3f} [{low:.3f}, {high:.3f}]",
                flush=True,
            )


def opened(where: Where) -> Engine:
    """Open an engine whose steps are static everywhere, or nowhere."""
    return Engine({"cpu": 1 << 40}, 64, loaded, static=StaticSteps(where))


def block(engines: Sequence[Engine], who: Model, rows: int, turn: int) -> float:
    """Time both engines by turns; return the ratio of their CPU seconds."""
    took = [0.0, 0.0]
    for round_ in range(4):
        for place in (0, 1) if (turn + round_) % 2 else (1, 0):
            began = time.process_time()
            answers(engines[place], who, rows, 0)
            took[place] += time.process_time() - began
    return took[1] / took[0]


def chunks(blocks: int) -> None:
    """Print how long a row waits while a long prompt is read, with chunks and without."""
    model = synthetic.llama("long", 32_000)
    model.context = 2 * LONG
    MODELS["long"] = model
    who = synthetic.checkpoint("long")
    usual = reading._CHUNK  # noqa: SLF001
    gaps: dict[int, list[float]] = {usual: [], 2 * LONG: []}
    with opened("nowhere") as engine:
        answers(engine, who, 1, 0)
        (runner,) = engine._pool.get([who])  # noqa: SLF001
        assert isinstance(runner, Runner)
        for turn in range(blocks):
            for size in list(gaps)[:: 1 if turn % 2 else -1]:
                reading._CHUNK = size  # noqa: SLF001
                gaps[size].append(longest_gap(engine, who, turn))
            reading._CHUNK = usual  # noqa: SLF001
        last = statistics.median(last_chunk(runner, usual) for _ in range(blocks))
    for size, each in gaps.items():
        ratios = [gap / last for gap in each]
        middle = statistics.median(ratios)
        label = f"chunks of {size}" if size == usual else "no chunks"
        span = f"[{min(ratios):.2f}, {max(ratios):.2f}]"
        print(f"{label:14} longest gap / one chunk {middle:.2f} {span}", flush=True)


def longest_gap(engine: Engine, who: Model, turn: int) -> float:
    """Seconds of the longest gap between two tokens of an answer while a prompt is read."""
    times: list[float] = []
    reads: list[object] = []

    def note(_: str) -> None:
        times.append(time.perf_counter())
        if len(times) == WRITTEN // 4:
            text = synthetic.prompt(1000 + turn, LONG)
            reads.append(engine.generate(Generate(who, Query.of(text), Sampling(max_tokens=1))))

    job = Generate(who, Query.of(synthetic.prompt(turn, 8)), Sampling(max_tokens=WRITTEN))
    engine.generate(job, note).result()
    return max(b - a for a, b in pairwise(times))


@torch.inference_mode()
def last_chunk(runner: Runner, size: int) -> float:
    """Seconds of the last chunk of a long prompt, alone."""
    row = runner.rows.allocate()
    ids = [300 + n % 1000 for n in range(LONG)]
    runner.forward([Feed(row, ids[:-size], ())])
    began = time.perf_counter()
    runner.forward([Feed(row, ids[-size:], ())])
    took = time.perf_counter() - began
    runner.rows.free(row)
    return took


@torch.inference_mode()
def pages(blocks: int) -> None:
    """Print what attention over gathered pages costs beside attention over slots."""
    rows, heads, dim = 16, 4, 64
    for cells in (512, 2048):
        query, slots = torch.randn(rows, heads, 1, dim), torch.randn(rows, heads, cells, dim)
        count = rows * cells // PAGE
        pool, places = torch.randn(count, heads, PAGE, dim), torch.randperm(count).view(rows, -1)
        steps = (
            lambda q=query, s=slots: attention(q, s, s),
            lambda q=query, p=pool, at=places: attention(q, _gathered(p, at), _gathered(p, at)),
        )
        ratios = []
        for _ in range(5 * blocks):
            slot, page = (_processor_seconds(step) for step in steps)
            ratios.append(page / slot)
        low, middle, high = min(ratios[3:]), statistics.median(ratios[3:]), max(ratios[3:])
        print(f"{rows} rows of {cells} cells  pages / slots {middle:.1f} [{low:.1f}, {high:.1f}]")


def _gathered(pool: Tensor, places: Tensor) -> Tensor:
    """Gather the pages [page, head, cell, dim] of each row: [row, head, cell, dim]."""
    rows, count = places.shape
    return pool[places].transpose(1, 2).reshape(rows, pool.shape[1], count * PAGE, -1)


def _processor_seconds(step: Callable[[], object]) -> float:
    began = time.process_time()
    step()
    return time.process_time() - began


def main() -> None:
    """Print a table for each kind of models that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    others = {"chunks": chunks, "pages": pages}
    every = [*KINDS, *others]
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(every))
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    options = parser.parse_args()
    unknown = set(options.kinds) - set(every)
    if unknown:
        parser.error(f"no such kind: {', '.join(sorted(unknown))}")
    torch.set_num_threads(1)
    for kind in options.kinds or every:
        if kind in others:
            others[kind](options.blocks)
        else:
            compare(kind, options.data, options.blocks)


if __name__ == "__main__":
    main()

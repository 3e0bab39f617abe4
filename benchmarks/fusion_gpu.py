"""What fusing costs on one GPU, with random models of the shapes of real ones.

    python benchmarks/fusion_gpu.py [--output FILE] [--minutes 8] [SECTION...]
    python benchmarks/fusion_gpu.py --tiny --device cpu

Sections are those of SECTIONS, all by default. A section that begins takes as long as it takes for
its first figure, then stops at its share of the minutes; what it did not reach is said. Figures are
written to FILE (JSON) as they come, and printed as a table at the end.

A decode step is what a longer answer takes beside a shorter one, by the token: both are whole
answers of our engine, as users have them. Fused answers and the members' own take turns; figures
are medians over the turns. `--tiny` runs everything with models of two layers, in seconds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import gpu_models
import synthetic
import torch
from fusion import LENGTHS
from gpu_models import LARGE, SMALL

from composer.engine.engine import Engine
from composer.engine.rows.row import Feed
from composer.engine.rows.runner import Runner
from composer.engine.rows.stacked import StackedMembers
from composer.engine.static.steps import StaticSteps
from composer.methods import Mean, Shared, Union
from composer.specs import TokenFuse
from composer.values import Generate, Query, Sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from composer.engine.weights.local import LocalModel
    from composer.values import Completion, Model

Cell = str | int | float
Row = dict[str, Cell]

PAIRS = (
    ("0.5B", (LARGE, LARGE)),
    ("0.5B", (SMALL, LARGE)),
    ("1.5B", (SMALL, LARGE)),
    ("7B", (SMALL, LARGE)),
)
"""Two members of one shape: with one vocabulary (`shared`), or with two (`union`)."""

BATCHES = 1, 16, 64


@dataclass
class Scale:
    """How much is measured: models, tokens of the shorter and the longer answers, prompts."""

    shapes: dict[str, gpu_models.Shape]
    batches: Sequence[int] = BATCHES
    tokens: tuple[int, int] = (16, 80)
    turns: int = 5
    prompt: int = 2048
    queries: int = 1000
    matrix: int = 1 << 30
    pairs: Sequence[tuple[str, tuple[int, int]]] = PAIRS
    most: int = 64


FULL = Scale(gpu_models.SHAPES)
FEW = 36_000
TINY_PAIRS = ("0.5B", (SMALL, SMALL)), ("0.5B", (SMALL, FEW))
TINY = Scale(gpu_models.TINY, (1, 2), (2, 4), 2, 64, 6, 1 << 20, TINY_PAIRS, 8)


@dataclass
class Bench:
    """One run: the device, what is measured, until when, and what was found so far."""

    device: torch.device
    scale: Scale
    output: Path | None
    found: dict[str, list[Row]] = field(default_factory=dict)
    until: float = float("inf")
    bandwidth: float = 0.0
    models: dict[str, LocalModel] = field(default_factory=dict)

    def add(self, section: str, **cells: Cell) -> None:
        """Note a row of figures, and write all of them."""
        row = {name: round(v, 6) if isinstance(v, float) else v for name, v in cells.items()}
        self.found.setdefault(section, []).append(row)
        if self.output is not None:
            self.output.write_text(f"{json.dumps(self.report(), indent=2)}\n", encoding="utf-8")

    def report(self) -> dict[str, object]:
        """All figures, and on what they were seen."""
        on_gpu = self.device.type == "cuda"
        name = torch.cuda.get_device_name(self.device) if on_gpu else "cpu"
        return {"device": name, "torch": torch.__version__, "sections": self.found}

    @property
    def late(self) -> bool:
        """Whether the section's time is over."""
        return time.monotonic() > self.until

    def fuse(self, shape: str, sizes: tuple[int, int]) -> TokenFuse:
        """Make two members on the device, unless they are there; others are given up."""
        names = [f"{shape}-{letter}-{size}" for letter, size in zip("ab", sizes, strict=True)]
        for name in set(self.models) - set(names):
            del self.models[name]
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        for name, size in zip(names, sizes, strict=True):
            if name not in self.models:
                sort = self.scale.shapes[shape]
                made = gpu_models.made(name, sort, size, min(sizes), self.device)
                self.models[name] = made
        members = tuple(map(synthetic.checkpoint, names))
        align = Shared() if len(set(sizes)) == 1 else Union()
        return TokenFuse(members, ("a", "b"), combine=Mean(), align=align)

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """Open an engine for the models that are here; its steps are static, and captured if so."""
        where = {str(self.device): 1 << 50}
        static = StaticSteps("everywhere")
        loader = lambda which, _: self.models[which.name]  # noqa: E731
        with Engine(where, self.scale.most, loader, static=static) as made:
            yield made

    def wait(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, run: Callable[[], object]) -> float:
        """Time a run on the clock."""
        self.wait()
        began = time.perf_counter()
        run()
        self.wait()
        return time.perf_counter() - began


def asked(who: Model, prompts: Sequence[str], lengths: Sequence[int]) -> list[Generate]:
    """Return the jobs of greedy answers of given lengths."""
    pairs = zip(prompts, lengths, strict=True)
    return [
        Generate(who, Query.of(text), Sampling(max_tokens=most, temperature=0.0))
        for text, most in pairs
    ]


def answer(engine: Engine, jobs: Sequence[Generate]) -> list[Completion]:
    """Answer all jobs side by side."""
    tasks = [engine.task(job, None) for job in jobs]
    engine.begin(tasks)
    return [task.future.result() for task in tasks]


_SEEDS = itertools.count()


def prompts(count: int, words: int = 16) -> list[str]:
    """Return texts that were not read before, so that no prefix of them is kept."""
    return [synthetic.prompt(next(_SEEDS), words) for _ in range(count)]


def step_seconds(bench: Bench, engine: Engine, who: Model, rows: int) -> float:
    """Return the seconds of a decode step of so many rows."""
    short, long = (
        bench.seconds(partial(answer, engine, asked(who, prompts(rows), [most] * rows)))
        for most in bench.scale.tokens
    )
    first, last = bench.scale.tokens
    return max(long - short, 1e-9) / (last - first)


def product(bench: Bench) -> None:
    """Matrix-vector products: what part of the memory's speed anything can reach here."""
    dtype = torch.bfloat16 if bench.device.type == "cuda" else torch.float32
    width = 4096 if bench.scale is FULL else 256
    matrix = torch.ones(bench.scale.matrix // width, width, dtype=dtype, device=bench.device)
    vector = torch.ones(width, dtype=dtype, device=bench.device)
    times = [
        bench.seconds(lambda: [torch.mv(matrix, vector) for _ in range(10)]) / 10 for _ in range(9)
    ]
    bench.bandwidth = matrix.nbytes / statistics.median(times[2:])
    bench.add("product", gigabytes=matrix.nbytes / 1e9, gigabytes_a_second=bench.bandwidth / 1e9)


def steps(bench: Bench) -> None:
    """Fused steps beside the members' own, by turns, and the share of the memory's speed."""
    for shape, sizes in bench.scale.pairs:
        fuse = bench.fuse(shape, sizes)
        read = sum(map(gpu_models.bytes_of_step, bench.models.values()))
        with bench.engine() as engine:
            for rows in bench.scale.batches:
                if bench.late:
                    bench.add("steps", members=f"{shape} {sizes}", rows=rows, left_out="no time")
                    continue
                _steps(bench, engine, fuse, rows, read)


def _steps(bench: Bench, engine: Engine, fuse: TokenFuse, rows: int, read: int) -> None:
    answer(engine, asked(fuse, prompts(rows), [8] * rows))  # graphs are captured
    fused, own, parts = [], [], []
    for _ in range(bench.scale.turns):
        fused.append(step_seconds(bench, engine, fuse, rows))
        own.append(sum(step_seconds(bench, engine, member, rows) for member in fuse.members))
        parts.append(fused[-1] / own[-1])
    second = statistics.median(fused)
    bench.add(
        "steps",
        members=" + ".join(member.name for member in fuse.members),
        rows=rows,
        step_ms=1e3 * second,
        ratio_to_own_steps=statistics.median(parts),
        lowest=min(parts),
        highest=max(parts),
        tokens_a_second=rows / second,
        share_of_product=read / second / bench.bandwidth if bench.bandwidth else float("nan"),
    )


def prefill(bench: Bench) -> None:
    """A long prompt: tokens a second of the fuse, beside the members' own."""
    for shape, sizes in bench.scale.pairs:
        if bench.late:
            return
        fuse = bench.fuse(shape, sizes)
        with bench.engine() as engine:
            answer(engine, asked(fuse, prompts(1), [2]))
            whole, *own = (_read(bench, engine, who) for who in (fuse, *fuse.members))
        bench.add(
            "prefill",
            members=" + ".join(member.name for member in fuse.members),
            tokens=bench.scale.prompt,
            tokens_a_second=bench.scale.prompt / whole,
            ratio_to_own=whole / sum(own),
        )


def _read(bench: Bench, engine: Engine, who: Model) -> float:
    """Return the seconds of an answer of one token to a long prompt."""
    texts = (prompts(1, bench.scale.prompt) for _ in range(3))
    return min(bench.seconds(partial(answer, engine, asked(who, text, [1]))) for text in texts)


def first_token(bench: Bench) -> None:
    """Time to the first token while other rows write, and how long these wait for a step then."""
    shape, sizes = bench.scale.pairs[-1]
    fuse = bench.fuse(shape, sizes)
    with bench.engine() as engine:
        rows = max(1, bench.scale.batches[-1] // 2)
        gaps, last = [], [time.perf_counter()]

        def heard(_: str) -> None:
            now = time.perf_counter()
            gaps.append(now - last[0])
            last[0] = now

        writers = asked(fuse, prompts(rows), [bench.scale.tokens[1] * 4] * rows)
        tasks = [engine.task(job, heard if not n else None) for n, job in enumerate(writers)]
        engine.begin(tasks)
        words, times = bench.scale.prompt // 4, 2 * bench.scale.turns
        waits = [_first(engine, fuse, words) for _ in range(times)]
        for task in tasks:
            task.future.cancel()
    bench.add(
        "first token",
        members=fuse.name,
        rows_that_write=rows,
        prompt=words,
        median_ms=1e3 * statistics.median(waits),
        worst_ms=1e3 * max(waits),
        longest_gap_of_a_writer_ms=1e3 * max(gaps, default=0.0),
    )


def _first(engine: Engine, who: Model, words: int) -> float:
    came = threading.Event()
    began = time.perf_counter()
    job = Generate(who, Query.of(prompts(1, words)[0]), Sampling(max_tokens=4, temperature=0.0))
    future = engine.generate(job, lambda _: came.set())
    came.wait()
    waited = time.perf_counter() - began
    future.result()
    return waited


def queries(bench: Bench) -> None:
    """Many answers of skewed lengths: tokens a second, beside full batches without a prompt."""
    shape, sizes = bench.scale.pairs[0]
    fuse = bench.fuse(shape, sizes)
    lengths = list(itertools.islice(itertools.cycle(LENGTHS), bench.scale.queries))
    if bench.scale is not FULL:
        lengths = [1 + length % 5 for length in lengths]
    with bench.engine() as engine:
        full = bench.scale.most / step_seconds(bench, engine, fuse, bench.scale.most)
        jobs = asked(fuse, prompts(len(lengths)), lengths)
        took = bench.seconds(lambda: answer(engine, jobs))
    bench.add(
        "queries",
        members=fuse.name,
        queries=len(lengths),
        seconds=took,
        tokens_a_second=sum(lengths) / took,
        share_of_full_batches=sum(lengths) / took / full,
    )


@torch.inference_mode()
def stacking(bench: Bench) -> None:
    """Two members of one shape that step as one batched model, at batch 1."""
    bench.fuse("7B", (SMALL, SMALL))
    runners = [Runner(model) for model in bench.models.values()]
    rows = [runner.rows.allocate() for runner in runners]
    for runner, row in zip(runners, rows, strict=True):
        runner.forward([Feed(row, list(range(3, 35)), (31,))])
    feeds = [[Feed(row, (5,), (0,))] for row in rows]

    def each() -> None:
        for runner, own in zip(runners, feeds, strict=True):
            runner.forward(own)

    apart = [bench.seconds(each) for _ in range(bench.scale.turns * 4)]
    stack = StackedMembers(runners, 1)
    if stack.apart is not None:
        bench.add("stacking", left_out=stack.apart)
        return
    together = [bench.seconds(lambda: stack.forward(feeds)) for _ in range(bench.scale.turns * 4)]
    one, two = statistics.median(together), statistics.median(apart)
    bench.add("stacking", stacked_ms=1e3 * one, apart_ms=1e3 * two, times_faster=two / one)


SECTIONS: dict[str, tuple[Callable[[Bench], None], float]] = {
    "product": (product, 0.02),
    "steps": (steps, 0.55),
    "prefill": (prefill, 0.12),
    "first token": (first_token, 0.08),
    "queries": (queries, 0.15),
    "stacking": (stacking, 0.08),
}
"""What is measured, and its share of the minutes."""


def table(found: dict[str, list[Row]]) -> str:
    """Write all figures as tables, a line for each row."""
    lines: list[str] = []
    for section, rows in found.items():
        heads = list(dict.fromkeys(name for row in rows for name in row))
        cells = [[_text(row.get(name, "")) for name in heads] for row in rows]
        body = [heads, ["---"] * len(heads), *cells]
        lines += ["", f"## {section}", "", *(f"| {' | '.join(line)} |" for line in body)]
    return "\n".join(lines)


def _text(value: Cell) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main(given: Sequence[str] | None = None) -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--tiny", action="store_true", help="models of two layers")
    options = parser.parse_args(given)
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    device = torch.device("cuda:0" if options.device == "cuda" else options.device)
    bench = Bench(device, TINY if options.tiny else FULL, options.output)
    for name in options.sections or SECTIONS:
        run, share = SECTIONS[name]
        bench.until = time.monotonic() + 60 * options.minutes * share
        try:
            run(bench)
        except torch.OutOfMemoryError as error:
            bench.add(name, left_out=str(error).partition(".")[0])
    print(table(bench.found))


if __name__ == "__main__":
    main()

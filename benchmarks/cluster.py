"""What a cluster costs and gives: a recipe in this process, on one replica, and on two.

    python benchmarks/cluster.py [--blocks 9] [--queries 256] [--tokens 12] [--json FILE]

The replicas are Ray actors on this machine (`Cluster.connect("local")`, extra `ray`), with one
thread each. The three take turns in each block, each with 64 queries under way. Figures are medians
over the blocks, with the second lowest and the second highest block (of nine, a 96% interval of the
median). The overhead of a query is what a block takes longer on one replica than in this process,
over its queries; on two cores the walk of the graph and the engine run side by side there, which
hides a part of it. So `alone` gives the same for one query after the other, where nothing is
hidden; and `processor time` counts that of this process and all of Ray's, which other work on the
machine disturbs least. Two replicas can be at most as much faster as there are free cores.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import composer
from composer.cluster import Cluster

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.run import Ensemble

AT_ONCE, FEW = 64, 16
"""Queries under way at a time; how many are asked one by one."""

RECIPE = """
model A = zoo("general-1", replicas = {replicas})
model B = zoo("maths", replicas = {replicas})
let fused = token_fuse(A, B)
fused(max_tokens = {tokens})
"""

Blocks = dict[str, list[float]]


def seconds(ensemble: Ensemble, queries: Sequence[str], at_once: int) -> tuple[float, float]:
    """Return how long an ensemble takes for queries, and the processor time of all processes.

    Raises if a query has no answer.
    """
    began, busy = time.perf_counter(), processor_time()
    results = list(ensemble.map(queries, at_once=at_once))
    took = time.perf_counter() - began, processor_time() - busy
    failed = [result.error for result in results if result.error]
    if failed:
        raise RuntimeError(failed[0])
    return took


def measured(blocks: int, queries: Sequence[str], tokens: int) -> Blocks:
    """Return the seconds of each block: of all queries at once, and of a few one by one."""
    one, two = (composer.load(RECIPE.format(replicas=n, tokens=tokens)) for n in (1, 2))
    times: Blocks = {}
    with (
        Cluster.connect("local", within=120) as cluster,
        one.ready() as here,
        one.ready(cluster=cluster) as single,
        two.ready(cluster=cluster) as double,
    ):
        runs = {"here": here, "one": single, "two": double}
        for block in range(-1, blocks):  # the first one warms up
            for name, ensemble in runs.items():
                together, busy = seconds(ensemble, queries, AT_ONCE)
                alone, _ = seconds(ensemble, queries[:FEW], 1)
                if block >= 0:
                    times.setdefault(name, []).append(together)
                    times.setdefault(f"{name} busy", []).append(busy)
                    times.setdefault(f"{name} alone", []).append(alone)
    return times


def processor_time() -> float:
    """Return the processor time of this process and of all below it: replicas, and Ray itself."""
    parents, ticks = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            number, rest = path.parent.name, path.read_text().rpartition(")")[2].split()
            parents[number], ticks[number] = rest[1], int(rest[11]) + int(rest[12])
    own = {str(os.getpid())}
    while below := {each for each, parent in parents.items() if parent in own} - own:
        own |= below
    return sum(ticks.get(each, 0) for each in own) / os.sysconf("SC_CLK_TCK")


def figures(times: Blocks, count: int) -> dict[str, list[float]]:
    """Return what a user asks for, a value for each block."""
    return {
        "ms a query, in this process": [1e3 * t / count for t in times["here"]],
        "ms a query, one replica": [1e3 * t / count for t in times["one"]],
        "ms a query, two replicas": [1e3 * t / count for t in times["two"]],
        "overhead, ms a query, 64 at once": more(times["one"], times["here"], count),
        "overhead, ms of processor time a query": more(
            times["one busy"], times["here busy"], count
        ),
        "overhead, ms a query, alone": more(times["one alone"], times["here alone"], FEW),
        "throughput, one replica / this process": ratios(times["here"], times["one"]),
        "throughput, two replicas / one": ratios(times["one"], times["two"]),
    }


def more(ours: Sequence[float], beside: Sequence[float], count: int) -> list[float]:
    """Return how many milliseconds a query takes longer, block by block."""
    return [1e3 * (a - b) / count for a, b in zip(ours, beside, strict=True)]


def ratios(slow: Sequence[float], fast: Sequence[float]) -> list[float]:
    """Return how much faster the second is, block by block."""
    return [a / b for a, b in zip(slow, fast, strict=True)]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--queries", type=int, default=256)
    parser.add_argument("--tokens", type=int, default=12)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    queries = [f"What is {n % 90 + 10} plus {n // 90 + 10}?" for n in range(options.queries)]
    rows = figures(measured(options.blocks, queries, options.tokens), len(queries))
    print(f"{os.cpu_count()} cores, {options.blocks} blocks of {len(queries)} queries")
    for name, values in rows.items():
        ordered = sorted(values)
        inner = ordered[1:-1] or ordered
        middle = statistics.median(values)
        print(f"{name:<40} {middle:8.3f}   [{inner[0]:.3f}, {inner[-1]:.3f}]")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

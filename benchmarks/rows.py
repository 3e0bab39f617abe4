"""Rows a CPU second through `compose run --input --output` over a fake member.

    python benchmarks/rows.py [--rows 100000]

Beside it, as a measure of the machine, a bare loop: asyncio with as many rows under way, JSON in
and out, a flush a row, no answers kept. What counts is the ratio of the two. Memory is that of the
process when a tenth of the rows is written, and when all are.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

AT_ONCE = 64


def bare(source: Path, target: Path) -> None:
    """Answer rows by nothing but asyncio and JSON."""

    async def answer(row: dict[str, str]) -> dict[str, object]:
        await asyncio.sleep(0)
        return {"id": row["id"], "query": row["query"], "answer": row["query"], "error": None}

    async def run() -> None:
        with source.open(encoding="utf-8") as lines, target.open("w", encoding="utf-8") as out:
            while batch := [json.loads(line) for line in islice(lines, AT_ONCE)]:
                for done in asyncio.as_completed([asyncio.create_task(answer(r)) for r in batch]):
                    out.write(json.dumps(await done) + "\n")
                    out.flush()

    asyncio.run(run())


def composed(folder: Path, count: int) -> tuple[float, list[int]]:
    """Run the command; return its CPU seconds, and its memory after each tenth in kilobytes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "composer", "run", "r.ens", "--input", "q.jsonl"]
    env = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
    child = subprocess.Popen([*command, "--output", "a.jsonl"], cwd=folder, env=env)
    memory, size = [], count * 240 // 10
    while child.poll() is None:
        time.sleep(0.05)
        out = folder / "a.jsonl"
        if out.exists() and out.stat().st_size > size * (len(memory) + 1):
            memory.append(_resident(child.pid))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used, memory


def _resident(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), 0)


def main() -> None:
    """Measure both, and print them with their ratio and the processor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    count = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "r.ens").write_text("model A = fake(confidence = 0.9)\nA\n")
        rows = ({"id": str(n), "query": f"What is {n} plus {n % 97}?"} for n in range(count))
        (folder / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        began = time.process_time()
        bare(folder / "q.jsonl", folder / "b.jsonl")
        plain = count / (time.process_time() - began)
        used, memory = composed(folder, count)
    rate = count / used
    kind = [x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")]
    print(f"processor     {kind[0].partition(': ')[2] if kind else 'unknown'}")
    print(f"bare loop     {plain:,.0f} rows a CPU second")
    print(f"compose run   {rate:,.0f} rows a CPU second, start of the process included")
    print(f"ratio         {rate / plain:.3f}")
    print(f"memory        {', '.join(f'{each / 1000:.0f}' for each in memory)} MB, tenth by tenth")


if __name__ == "__main__":
    main()

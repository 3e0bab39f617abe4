"""What serving costs beside the same work in process, and whether a server holds out.

    python benchmarks/serving.py           # 64 streaming clients beside `ensemble.map`
    python benchmarks/serving.py soak      # the memory of a server over 5,000 requests
    python benchmarks/serving.py leave     # how soon a client that leaves frees its place
    python benchmarks/serving.py stop      # SIGTERM under load: what becomes of each request

The server is a process of its own; the clients read as little of each event as they can. Each
answer has `--tokens` tokens. `ratio` is the tokens a second of the server over those of
`ensemble.map` with as many queries at a time: both take turns in `--blocks` blocks, and figures are
medians of them. `first` is the time from a request to its first text. `CPU` is the ratio of the
processor seconds in process over those of the server, which other work disturbs less.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import composer

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from serve_process import ServeProcess
from stream_clients import load, questions_of, seconds_until_free

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream_clients import Replies

RECIPES = {
    "one model": 'model A = zoo("maths")\nA',
    "token fuse": 'model A = zoo("maths")\nmodel B = zoo("text")\ntoken_fuse(A, B)',
    "vote": 'model A = zoo("maths")\nmodel B = zoo("text")\n[A, B, sample(A, 2)] -> vote()',
}


@contextmanager
def recipe(name: str, tokens: int) -> Iterator[Path]:
    """Write a recipe whose answers all have so many tokens."""
    limits = f"default generate(max_tokens = {tokens}, min_tokens = {tokens})\n"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "served.ens")
        path.write_text(limits + RECIPES[name])
        yield path


def throughput(options: argparse.Namespace) -> None:
    """Compare a server with the same work in process."""
    print("| recipe | in process, tokens/s | served, tokens/s | ratio | CPU | requests/s "
          "| first p50 | first p95 |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    for name in options.recipes or RECIPES:
        print(f"| {name} | {measured(name, options)} |", flush=True)


def measured(name: str, options: argparse.Namespace) -> str:
    """Return the figures of a recipe."""
    questions = questions_of(options.requests)
    tokens = options.tokens * len(questions)
    inside: list[tuple[float, float]] = []
    served: list[tuple[float, float]] = []
    first: list[float] = []
    with (
        recipe(name, options.tokens) as path,
        ServeProcess(str(path), folder=path.parent) as server,
        composer.load(path).ready() as ensemble,
    ):
        list(ensemble.map(questions[:8]))
        asyncio.run(load(server.address, "served", questions[:8], 8))
        for _ in range(options.blocks):
            began, used = time.perf_counter(), processor(os.getpid())
            for result in ensemble.map(questions, at_once=options.clients):
                assert result.error is None, result.error
            inside.append((time.perf_counter() - began, processor(os.getpid()) - used))
            began, used = time.perf_counter(), processor(server.process.pid)
            replies = asyncio.run(load(server.address, "served", questions, options.clients))
            served.append((time.perf_counter() - began, processor(server.process.pid) - used))
            assert (set(replies.statuses), replies.whole) == ({200}, len(questions)), replies
            first += replies.first
    pairs = list(zip(inside, served, strict=True))
    ratio, share = (statistics.median(a[at] / b[at] for a, b in pairs) for at in (0, 1))
    rates = [tokens / statistics.median(each[0] for each in both) for both in (inside, served)]
    twenty = statistics.quantiles(first, n=20)
    return (
        f"{rates[0]:,.0f} | {rates[1]:,.0f} | {ratio:.2f} | {share:.2f} | "
        f"{rates[1] / options.tokens:,.0f} | {1000 * twenty[9]:,.0f} ms | "
        f"{1000 * twenty[18]:,.0f} ms"
    )


def soak(options: argparse.Namespace) -> None:
    """Watch the memory of a server over many requests."""
    with recipe("one model", 4) as path, ServeProcess(str(path), folder=path.parent) as server:
        print("| requests | memory, MB |\n|---|---|")
        count = options.requests // 10
        for block in range(10):
            questions = questions_of(count, start=block * count)
            replies = asyncio.run(load(server.address, "served", questions, options.clients))
            assert replies.whole == count, replies
            print(f"| {(block + 1) * count:,} | {memory(server.process.pid):,.1f} |", flush=True)


def leave(options: argparse.Namespace) -> None:
    """Measure how soon a client that leaves frees its place, by the gauge of the server."""
    with recipe("one model", 400) as path, ServeProcess(str(path), folder=path.parent) as server:
        for streams in (True, False):
            waits = [
                asyncio.run(seconds_until_free(server.address, "served", streams=streams))
                for _ in range(5 * options.blocks)
            ]
            middle, most = 1000 * statistics.median(waits), 1000 * max(waits)
            how = "streaming" if streams else "whole"
            print(f"{how}: a place is free after {middle:.0f} ms, at most {most:.0f} ms")


def stop(options: argparse.Namespace) -> None:
    """Stop a server under load, and say what became of each request."""
    tokens = options.tokens
    with (
        recipe("one model", tokens) as path,
        ServeProcess(str(path), "--log", folder=path.parent) as server,
    ):

        async def stopped() -> Replies:
            questions = questions_of(10**5)
            asking = asyncio.create_task(load(server.address, "served", questions, options.clients))
            await asyncio.sleep(5)
            server.send()
            return await asking

        replies = asyncio.run(stopped())
        status = server.ended()
    accepted = sum(line.startswith("POST") and " 200, " in line for line in server.lines)
    print(
        f"{accepted} requests accepted, {replies.whole} whole replies, {replies.cut} cut off; "
        f"{replies.statuses.count(503)} refused (503), {replies.unanswered} connections closed "
        f"or refused; exit status {status}"
    )


def memory(process: int) -> float:
    """Return the memory of a process in MB."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def processor(process: int) -> float:
    """Return the processor seconds of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


MEASURES = {"throughput": throughput, "soak": soak, "leave": leave, "stop": stop}


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description="What serving costs.")
    parser.add_argument("what", nargs="?", default="throughput", choices=list(MEASURES))
    parser.add_argument("--recipes", nargs="*", choices=list(RECIPES))
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--requests", type=int, help="default: 512, for `soak` 5,000")
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--blocks", type=int, default=3)
    options = parser.parse_args()
    options.requests = options.requests or (5000 if options.what == "soak" else 512)
    MEASURES[options.what](options)


if __name__ == "__main__":
    main()

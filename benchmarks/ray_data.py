"""Does memory stay flat when Ray Data answers a file? Resident memory after each tenth of it.

    python benchmarks/ray_data.py                # 100,000 rows: minutes
    python benchmarks/ray_data.py --rows 2000

The model is `fake`, so that the figures are those of the reading, the walk and the writing. Needs
the extra `ray`.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from composer.cluster.answering import Answering

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RECIPE = (
    'model A = fake(among = ["1", "2"])\nmodel B = fake(among = ["1", "2"], seed = 1)\n'
    "[A, B] -> vote()"
)
STORE = 200 << 20
"""Bytes of Ray's object store."""


class Watched(Answering):
    """Answers, and says after each batch how much memory its process has."""

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
        """Add the resident memory in MB to each row."""
        answered = super().__call__(batch)
        return answered | {"resident": [_resident()] * len(answered["answer"])}


def _resident() -> float:
    """Return the resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@click.command()
@click.option("--rows", default=100_000, show_default=True)
def main(rows: int) -> None:
    """Answer a file, and print what the worker and this process take after each tenth."""
    import ray
    import ray.data

    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=STORE, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    one = ray.data.ActorPoolStrategy(size=1)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.jsonl"
        with file.open("w", encoding="utf-8") as lines:
            for n in range(rows):
                lines.write(json.dumps({"id": str(n), "query": f"{n} + {n % 7}?"}) + "\n")
        answered = ray.data.read_json(str(file), lines=True).map_batches(
            Watched, fn_constructor_args=[RECIPE], compute=one, batch_size=256
        )
        start, count, failed = time.perf_counter(), 0, 0
        tenth = max(rows // 10, 1)
        for batch in answered.iter_batches(batch_size=256, batch_format="numpy"):
            before, count = count, count + len(batch["answer"])
            failed += sum(batch["error"] != "")
            if count // tenth > before // tenth:
                seconds = time.perf_counter() - start
                worker, here = batch["resident"][-1], _resident()
                print(f"{count:>9,} rows  {seconds:7.1f} s  worker {worker:6.0f} MB  ", end="")
                print(f"this process {here:6.0f} MB  {failed} failed", flush=True)
    ray.shutdown()


if __name__ == "__main__":
    main()

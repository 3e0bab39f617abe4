"""What a merge of three large checkpoints takes, beside reading and writing the same bytes.

Three checkpoints of 4 GB in bfloat16, whose embedding alone has 0.5 GB, become one of 4 GB. Each
row is a process of its own, Python's start and the imports included; the files of the members are
not in the system's memory when it begins. `COMPOSE_BENCH_GB` sets another size.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from table_text import markdown

from building_tables._large_checkpoints import GB, forget, large_checkpoint
from building_tables._measured import Measured, build, measured

NAMES = ("a", "b", "c")

COPY = """
import os, sys
from pathlib import Path
block = bytearray(8 << 20)
for folder in "abc":
    for file in sorted(Path(folder).glob("*.safetensors")):
        to = open(Path("copy", file.name) if folder == "a" else os.devnull, "wb", buffering=0)
        with file.open("rb", buffering=0) as stream, to:
            while count := stream.readinto(block):
                to.write(memoryview(block)[:count])
            if folder == "a":
                os.fsync(to.fileno())
"""
"""Reads the files of three checkpoints, and writes as many bytes as one of them has."""

MERGE = "merge(a + 0.6 * (b - a) + 0.4 * (c - a))"


def table(data: Path) -> str:
    """Return the table; the data folder is not read."""
    del data
    size = int(float(os.environ.get("COMPOSE_BENCH_GB", "4")) * GB)
    with TemporaryDirectory(dir=os.environ.get("COMPOSE_BENCH_FOLDER")) as top:
        rows = figures(Path(top), size)
    plain = rows["read and write"].seconds
    head = ["", "seconds", "seconds of processor", "memory", "speed"]
    return markdown(head, [_row(name, row, plain) for name, row in rows.items()])


def _row(name: str, row: Measured, plain: float) -> list[str]:
    figures = f"{row.seconds:.1f}", f"{row.processor:.1f}", f"{row.megabytes:.0f} MB"
    return [name, *figures, f"{100 * plain / row.seconds:.0f} %"]


def figures(folder: Path, size: int) -> dict[str, Measured]:
    """Return what each way takes for checkpoints of so many bytes."""
    for seed, name in enumerate(NAMES):
        large_checkpoint(folder / name, size, seed)
    recipe = "".join(f'model {name} = hf("{name}")\n' for name in NAMES) + MERGE + "\n"
    return {
        "read and write": _copy(folder),
        "merge, members never read before": _merge(folder, recipe),
        "merge again, digests of members known": _merge(folder, recipe),
    }


def _copy(folder: Path) -> Measured:
    _forget(folder)
    (folder / "copy").mkdir()
    told = measured((sys.executable, "-c", COPY), folder)
    shutil.rmtree(folder / "copy")
    return told


def _merge(folder: Path, recipe: str) -> Measured:
    _forget(folder)
    told = build(folder, recipe, "made")
    shutil.rmtree(folder / "made")
    return told


def _forget(folder: Path) -> None:
    for name in NAMES:
        forget(folder / name)

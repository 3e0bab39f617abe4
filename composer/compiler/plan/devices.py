"""The devices there are, found without torch so that a plan is quick."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from functools import cache

QUERY = ("--query-gpu=index,memory.free", "--format=csv,noheader,nounits")


@dataclass(frozen=True, slots=True)
class Device:
    """A place for weights: its name as torch knows it, and its free bytes (None: not limited)."""

    name: str
    free: int | None = None


@cache
def devices() -> tuple[Device, ...]:
    """Return the GPUs with their free memory, else the CPU."""
    found = tuple(Device(f"cuda:{index}", free) for index, free in _gpus())
    return found or (Device("cpu"),)


def _gpus() -> list[tuple[int, int]]:
    """Ask the driver's own tool, which every machine with such a GPU has."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command found on the path
            (tool, *QUERY), capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [line.split(",") for line in done.stdout.splitlines() if "," in line]
    return [(int(index), int(free) << 20) for index, free in rows if free.strip().isdigit()]

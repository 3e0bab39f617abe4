"""What a command takes: seconds, seconds of processor, and the most memory that it held."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

PAUSE = 0.02
"""Seconds between two looks at a process."""


class Measured(NamedTuple):
    """Seconds, seconds of processor, and the megabytes that the process held at most."""

    seconds: float
    processor: float
    megabytes: float


def measured(command: Sequence[str], folder: Path, **environment: str) -> Measured:
    """Run a command in a folder, without its output; stop where it fails."""
    begun, most = time.perf_counter(), 0.0
    with TemporaryFile("w+") as told:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=told,
        )
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            most = max(most, _held(process.pid))
            time.sleep(PAUSE)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        if process.returncode:
            told.seek(0)
            sys.exit(f"{' '.join(map(str, command))} failed:\n{told.read()[-2000:]}")
    return Measured(seconds, ended[2].ru_utime + ended[2].ru_stime, most)


def _held(process: int) -> float:
    """Return the most that a process has held, in MB; `ru_maxrss` would count its parent's too."""
    try:
        status = Path(f"/proc/{process}/status").read_text("utf-8")
    except OSError:
        return 0.0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def build(folder: Path, recipe: str, out: str, **environment: str) -> Measured:
    """Build a recipe's model into a folder in another folder."""
    (folder / f"{out}.ens").write_text(recipe, encoding="utf-8")
    command = (sys.executable, "-m", "composer", "build", f"{out}.ens", "--out", out)
    return measured(command, folder, XDG_CACHE_HOME=str(folder / "cache"), **environment)

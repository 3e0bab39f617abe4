"""What processes use, read from `/proc`. This file runs inside the sandbox, and stands alone."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_PROCESSES = Path("/proc")


def children(pid: int) -> list[int]:
    """Return the processes that a process has started; raises OSError where nobody says that."""
    threads = (_PROCESSES / str(pid) / "task").iterdir()
    return [
        int(number)
        for thread in threads
        for number in (thread / "children").read_text(encoding="ascii").split()
    ]


def descent(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    pids, waiting = [], [pid]
    while waiting:
        pids.append(waiting.pop())
        with contextlib.suppress(OSError):
            waiting += children(pids[-1])
    return pids


def memory(pid: int) -> int:
    """Return the bytes of a process that are no file's; what several share counts for each."""
    lines = (_PROCESSES / str(pid) / "status").read_text("ascii", "replace").splitlines()
    sizes = [line.split()[1] for line in lines if line.startswith(("RssAnon:", "RssShmem:"))]
    return sum(map(int, sizes)) * 1024


def cpu(pid: int) -> float:
    """Return the seconds of processor time of a process and of those children that have ended."""
    text = (_PROCESSES / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
    numbers = text.rpartition(")")[2].split()[11:15]
    return sum(map(int, numbers)) / os.sysconf("SC_CLK_TCK")

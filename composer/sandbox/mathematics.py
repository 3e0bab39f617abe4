"""Mathematics that models wrote, read and compared in a process of its own, under a limit of time.

Sympy may work for hours on a short expression, and cannot be stopped from within. So one process
does that work for all; it is ended where it takes too long or too much memory.
"""

from __future__ import annotations

import atexit
import json
import select
import subprocess
import sys
from functools import lru_cache
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["classes", "equal", "last_expression"]

SECONDS = 5.0
"""How long one question may take."""

_START = 60.0
_ALL = 30.0
_LONGEST = 10_000


@lru_cache(maxsize=4096)
def last_expression(text: str) -> str | None:
    """Return the last mathematical answer of a text as TeX, None where there is none."""
    reply = _WORKER.ask("read", text[-_LONGEST:])
    return reply if isinstance(reply, str) else None


def classes(texts: Sequence[str]) -> list[int | None]:
    """Return a number for each text, the same for those of one value; None for no mathematics.

    A text is compared with the first one of each class. Where all that takes too long, the texts
    that are left have classes of their own, unless they are understood alike.
    """
    end = monotonic() + _ALL
    firsts: dict[str, int] = {}
    values = [_value(text) for text in texts]
    for at, (text, value) in enumerate(zip(texts, values, strict=True)):
        if value is None or value in firsts:
            continue
        alike = (
            n for n in dict.fromkeys(firsts.values()) if monotonic() < end and equal(texts[n], text)
        )
        firsts[value] = next(alike, at)
    return [None if value is None else firsts[value] for value in values]


@lru_cache(maxsize=4096)
def equal(left: str, right: str) -> bool:
    """Say whether two texts have one mathematical value; not where that takes too long."""
    return _WORKER.ask("same", left[:_LONGEST], right[:_LONGEST]) is True


@lru_cache(maxsize=4096)
def _value(text: str) -> str | None:
    reply = _WORKER.ask("value", text) if len(text) <= _LONGEST else None
    return reply if isinstance(reply, str) else None


class _Worker:
    """The process, started when it is first asked, and again after it was ended."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, *request: str) -> object:
        """Return the reply to a request, None where it failed or took too long."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
                self._reply(["value", "1"], _START)
            return self._reply(request, SECONDS)

    def _reply(self, request: Sequence[str], seconds: float) -> object:
        """Send a request, and wait for the reply; the process is ended if there is none."""
        process = self._process
        if process is None:
            return None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], seconds)
            reply: object = json.loads(process.stdout.readline() if ready else b"")
        except (OSError, ValueError):
            self.end()
            return None
        return reply

    def _start(self) -> None:
        self.end()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "composer.sandbox.mathematics_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PYTHONPATH": ":".join(path for path in sys.path if path), "OMP_NUM_THREADS": "1"},
        )

    def end(self) -> None:
        """End the process, if there is one."""
        if self._process is None:
            return
        self._process.kill()
        with self._process:  # closes the pipes, and waits
            self._process = None


_WORKER = _Worker()
atexit.register(_WORKER.end)

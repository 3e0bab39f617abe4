"""Starts a program behind walls, watches it from outside, ends it, and tells what came of it.

The guard stays outside of the walls. Its child is the first process inside, which no program can
end and which takes all others with it. This file runs in a process of its own and imports nothing
else of the project but its neighbours.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import time
from typing import Any

from composer.sandbox.process import walls
from composer.sandbox.process.inside import SPARE, Inside, Spaces
from composer.sandbox.process.usage import children, cpu, descent, memory

TICK = 0.02
"""Seconds between two looks at what is used."""

_NAMESPACES = walls.NEW_PIDS | walls.NEW_NET | walls.NEW_IPC | walls.NEW_NAMES


def main(task: dict[str, Any]) -> None:
    """Run one task, and print what came of it as one line."""
    outcome = Guard(task).run()
    sys.stdout.write(json.dumps(outcome) + "\n")
    sys.stdout.flush()


class Guard:
    """One run."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.task, self.bounds = task, task["bounds"]
        self.missing: dict[str, str] = {}
        self.pipes = {name: os.pipe() for name in ("output", "errors", "verdicts", "control")}
        self.texts = {name: bytearray() for name in self.pipes}
        self.limit: str | None = None
        self.child = 0
        self.measured = 0.0

    def run(self) -> dict[str, Any]:
        """Run the task to its end."""
        began = time.monotonic()
        how = self._leave()
        self.child = os.fork()
        if self.child == 0:
            self._be(Inside(self.task, self.pipes, self.missing, how))
        for _, write in self.pipes.values():
            os.close(write)
        self._watch(began + self.bounds["seconds"])
        self._end()
        seconds = time.monotonic() - began
        return {**self._report(), "limit": self.limit, "seconds": seconds}

    def _be(self, inside: Inside) -> None:
        """Be the first process inside, whatever happens to it."""
        try:
            inside.run()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
            os.write(self.pipes["control"][1], json.dumps({"broken": str(error)}).encode() + b"\n")
        finally:
            os._exit(0)

    def _leave(self) -> Spaces:
        """Leave the namespaces of the host, and say which ones are new."""
        user, group, root = os.getuid(), os.getgid(), os.geteuid() == 0
        try:
            children(os.getpid())
        except OSError as error:
            self.missing["memory"] = f"the system does not say who started whom ({error})"
        try:
            users = self._own_users(user, group, root=root)
            walls.unshare(_NAMESPACES)
        except OSError as error:
            for name in ("network", "folder", *(() if root else ("signals",))):
                self.missing[name] = f"there are no namespaces here ({error})"
            self._adopt()
            return "none"
        return "users" if users else "others"

    def _adopt(self) -> None:
        try:
            walls.adopt_orphans()
            children(os.getpid())
        except OSError as error:
            self.missing["orphans"] = f"the system does not say who started whom ({error})"

    def _own_users(self, user: int, group: int, *, root: bool) -> bool:
        """Enter a user namespace; a helper outside says who its users are. Root can do without."""
        read, write = os.pipe()
        guard = os.getpid()
        helper = os.fork()
        if helper == 0:
            code = 1
            with contextlib.suppress(BaseException):
                os.close(write)
                if os.read(read, 1):
                    spare = SPARE + guard % 4096
                    walls.map_users(guard, root=root, user=user, group=group, spare=spare)
                    code = 0
            os._exit(code)
        os.close(read)
        try:
            walls.unshare(walls.NEW_USER)
            os.write(write, b"x")
        except OSError:
            if root:
                return False
            raise
        finally:
            os.close(write)
            _, status = os.waitpid(helper, 0)
        if status:
            raise OSError("the users of a new namespace cannot be set")
        return True

    def _watch(self, until: float) -> None:
        """Read what comes, until the program has ended or a limit is reached."""
        ends = {self.pipes[name][0]: name for name in self.pipes}
        while "control" in ends.values() and not self.limit:
            ready, _, _ = select.select([*ends, 0], [], [], TICK)
            for end in ready:
                if end == 0:
                    self._stop("time")
                elif not self._read(end, ends[end]):
                    del ends[end]
            self._measure(until)

    def _read(self, end: int, name: str) -> bool:
        """Read some of a pipe, as much as is wanted; False at its end."""
        data = os.read(end, 65536)
        self.texts[name] += data
        used = len(self.texts["output"]) + len(self.texts["errors"])
        if name in {"output", "errors"} and used > self.bounds["output"]:
            del self.texts[name][len(self.texts[name]) - (used - self.bounds["output"]) :]
            self._stop("output")
        if name == "verdicts" and len(self.texts[name]) > 8 * self.bounds["output"]:
            self._stop("output")
        return bool(data)

    def _measure(self, until: float) -> None:
        """Add up what all processes use, at every tick."""
        now = time.monotonic()
        if now > until:
            self._stop("time")
        if now - self.measured < TICK or self.limit:
            return
        self.measured = now
        used, seconds = 0, 0.0
        for pid in descent(self.child):
            with contextlib.suppress(OSError, IndexError, ValueError):
                used += memory(pid)
                seconds += cpu(pid)
        if used > self.bounds["memory"]:
            self._stop("memory")
        elif seconds > self.bounds["cpu"]:
            self._stop("cpu")

    def _stop(self, limit: str) -> None:
        """Note the limit that ends the run; the first one counts."""
        self.limit = self.limit or limit

    def _end(self) -> None:
        """End every process of the run, then read what is left in the pipes."""
        with contextlib.suppress(OSError):
            os.killpg(self.child, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.kill(self.child, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.waitpid(self.child, 0)
        with contextlib.suppress(OSError):
            while pids := descent(os.getpid())[1:]:
                for number in (signal.SIGSTOP, signal.SIGKILL):
                    for pid in pids:
                        with contextlib.suppress(OSError):
                            os.kill(pid, number)
                with contextlib.suppress(OSError):
                    while os.waitpid(-1, os.WNOHANG)[0]:
                        pass
        for name, (read, _) in self.pipes.items():
            with contextlib.suppress(OSError):
                os.set_blocking(read, False)
                while self._room(name) and (data := os.read(read, self._room(name))):
                    self.texts[name] += data

    def _room(self, name: str) -> int:
        used = len(self.texts["output"]) + len(self.texts["errors"])
        room: int = self.bounds["output"] - used
        return 65536 if name not in {"output", "errors"} else max(room, 0)

    def _report(self) -> dict[str, Any]:
        """Return what the processes inside have said."""
        lines = {
            name: [json.loads(line) for line in self.texts[name].split(b"\n")[:-1]]
            for name in ("verdicts", "control")
        }
        texts = {name: self.texts[name].decode(errors="replace") for name in ("output", "errors")}
        control: dict[str, Any] = {}
        for line in lines["control"]:
            control |= line
        return {**texts, **control, "verdicts": lines["verdicts"]}

"""The first process behind the walls: it starts the worker and the tester, and all end with it.

This file runs inside the sandbox and imports nothing else of the project but its neighbours.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from composer.sandbox.process import boot, tester, walls

if TYPE_CHECKING:
    from collections.abc import Callable

Spaces = Literal["users", "others", "none"]
"""Which namespaces are new: users and all others, all but users, or none."""

SPARE = 61_184
"""The first of the users of the host that programs run as where the guard is root."""

OURS = 2
"""How many processes of ours may count as the user's that the program runs as."""


class Inside:
    """The first process behind the walls."""

    def __init__(
        self,
        task: dict[str, Any],
        pipes: dict[str, tuple[int, int]],
        missing: dict[str, str],
        spaces: Spaces,
    ) -> None:
        self.task, self.missing, self.spaces = task, dict(missing), spaces
        self.ends = {name: write for name, (_, write) in pipes.items()}
        for read, _ in pipes.values():
            os.close(read)
        self.user = os.getuid()

    def run(self) -> None:
        """Put the walls up, run the program, and tell how it ended."""
        os.setsid()
        signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
        signal.alarm(int(self.task["bounds"]["seconds"]) + 5)
        self._wall()
        given_up = set(self.missing) <= set(self.task["allow"])
        self._tell(missing=self.missing)
        if not given_up:
            return
        sys.stdout.flush()
        ours, theirs = socket.socketpair()
        task = {name: self.task[name] for name in ("program", "script")}
        feed = _file(boot.message(self.task["codes"], "worker", task))
        stdin = _file(self.task["stdin"].encode(errors="replace"))
        program = self._fork(lambda: self._program(theirs, feed, stdin))
        theirs.close()
        if self.task["script"]:
            self._await(program, program)
            with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
                report = ours.recv(65536, socket.MSG_DONTWAIT).partition(b"\n")[0]
                self._tell(error=tester.error_of(json.loads(report)))
            return
        self._await(self._fork(lambda: self._tests(ours)), program)

    def _wall(self) -> None:
        here, root = Path.cwd(), self.user == 0
        if root:
            other = walls.INSIDE if self.spaces == "users" else SPARE + os.getppid() % 4096
            self._become(other)
        if self.spaces != "none":
            try:
                walls.no_more_namespaces()
                walls.new_root(self.task["bounds"]["files"], self.user)
            except OSError as error:
                self.missing["folder"] = str(error)
                os.chdir(here)
        if sys.platform == "linux":
            walls.die_with_parent()
            walls.hide_memory()
        self._try_limits()

    def _become(self, other: int) -> None:
        """Let programs run as another user than root, where there is one that can read Python."""
        child = os.fork()
        if child == 0:
            code = 1
            with contextlib.suppress(BaseException):
                walls.drop_privileges(other)
                code = 0 if self.spaces != "none" or os.access(json.__file__, os.R_OK) else 1
            os._exit(code)
        if os.waitpid(child, 0)[1] == 0:
            self.user = other
            os.chown(".", other, other)
        elif self.spaces == "none":
            self.missing["signals"] = "programs run as root here"

    def _try_limits(self) -> None:
        """Find out whether a process of the program can really start no more than it may."""
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            code = b"x"
            with contextlib.suppress(BaseException):
                walls.drop_privileges(self.user)
                walls.limit(cpu=1, memory=self.task["bounds"]["memory"], processes=1, files=0)
                code = b"" if _fork_fails() else b"p"
                code += b"" if _memory_fails(self.task["bounds"]["memory"]) else b"m"
            os.write(write, code)
            os._exit(0)
        os.close(write)
        os.waitpid(child, 0)
        code = os.read(read, 4)
        os.close(read)
        if b"x" in code:
            raise OSError("a process cannot give its privileges up here")
        if b"p" in code:
            self.missing["processes"] = "the system does not count the processes of this user"
        if b"m" in code:
            self.missing["memory"] = "the system does not limit the memory of a process"

    def _fork(self, work: Callable[[], None]) -> int:
        child = os.fork()
        if child:
            return child
        try:
            bounds = {name: self.task["bounds"][name] for name in ("cpu", "memory", "files")}
            walls.drop_privileges(self.user)
            walls.limit(**bounds, processes=self.task["bounds"]["processes"] + OURS)
            if "memory" not in self.missing:
                walls.refuse_uncounted_memory()
            work()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
            self._tell(broken=f"{type(error).__name__}: {error}")
        finally:
            os._exit(0)

    def _program(self, channel: socket.socket, feed: int, stdin: int) -> None:
        """Become the worker, in a new interpreter that knows nothing of the tests."""
        ends = (stdin, self.ends["output"], self.ends["errors"], channel.fileno(), feed)
        high = [fcntl.fcntl(end, fcntl.F_DUPFD, 40) for end in ends]
        for place, end in enumerate(high):
            os.dup2(end, place)
        os.closerange(len(ends), 64)
        command = [sys.executable, *self.task["flags"], self.task["boot"], str(len(ends) - 1)]
        os.execve(sys.executable, command, _environment())  # noqa: S606 - no shell is wanted

    def _tests(self, channel: socket.socket) -> None:
        """Be the tester."""
        if sys.platform == "linux":
            walls.hide_memory()
        verdicts = os.dup(self.ends["verdicts"])
        silence = os.open("/dev/null", os.O_RDWR)
        for place in range(3):
            os.dup2(silence, place)
        with channel, os.fdopen(verdicts, "wb") as file, channel.makefile("rwb") as stream:
            tester.main(self.task, stream, file)

    def _await(self, last: int, program: int) -> None:
        """Wait for a process, and for the orphans of others; tell how the program has ended."""
        pid = 0
        while pid != last:
            pid, status = os.wait()
            if pid == program:
                self._tell(status=os.waitstatus_to_exitcode(status))

    def _tell(self, **facts: object) -> None:
        os.write(self.ends["control"], json.dumps(facts).encode() + b"\n")


def _environment() -> dict[str, str]:
    here = str(Path.cwd())
    return {"HOME": here, "TMPDIR": here, "PATH": "/usr/bin", "LANG": "C.UTF-8"}


def _file(data: bytes) -> int:
    """Return an open file of the folder that has no name, and holds some bytes to read."""
    end = os.open("start", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    Path("start").unlink()
    view = memoryview(data)
    while view:
        view = view[os.write(end, view) :]
    os.lseek(end, 0, os.SEEK_SET)
    return end


def _fork_fails() -> bool:
    try:
        child = os.fork()
    except OSError:
        return True
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return False


def _memory_fails(memory: int) -> bool:
    import mmap

    try:
        walls.refuse_uncounted_memory()
    except OSError:
        return False
    try:
        mmap.mmap(-1, memory).close()
    except (OSError, ValueError, MemoryError):
        return True
    return False

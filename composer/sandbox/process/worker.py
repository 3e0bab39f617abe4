"""Runs a program: as a script, or so that tests in another process can call what it defines.

This file runs inside the sandbox and imports nothing else of the project but `plain.py`.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

from composer.sandbox.process.plain import dumps, pack, unpack

if TYPE_CHECKING:
    import io

CHANNEL = 3
"""The file descriptor of the tests."""

MOST = 100_000
"""How many items are read of what can be gone through."""

_LIMITS = {
    errno.EAGAIN: "processes",
    errno.ENOSPC: "files",
    errno.EFBIG: "files",
    errno.EDQUOT: "files",
    errno.EROFS: "folder",
    errno.ENETUNREACH: "network",
    errno.EADDRNOTAVAIL: "network",
}
"""The limit that an error of the system speaks of."""


def main(task: dict[str, Any]) -> None:
    """Run the program of a task; what came of it goes into the channel."""
    channel = socket.socket(fileno=CHANNEL).makefile("rwb")
    sys.set_int_max_str_digits(0)
    sys.argv = ["program.py"]
    scope: dict[str, Any] = {"__name__": "__main__" if task["script"] else "program"}
    try:
        exec(compile(task["program"], "program.py", "exec"), scope)  # noqa: S102 - it is what a sandbox is for
    except BaseException as error:
        if task["script"] and isinstance(error, SystemExit):
            raise
        channel.write(dumps({"error": described(error)}))
        channel.flush()
        if task["script"]:
            import traceback

            traceback.print_exception(error)
            sys.stdout.flush()
            os._exit(1)
        return
    if task["script"]:
        return
    names = {name: _kind(value) for name, value in scope.items() if not name.startswith("__")}
    channel.write(dumps({"names": names}))
    channel.flush()
    Server(scope, channel).serve()


def _kind(value: object) -> str:
    """Say what tests may do with a name: call it, import it themselves, or ask for its value."""
    if isinstance(value, type(sys)):
        return f"module {value.__name__}"
    return "call" if callable(value) else "value"


def described(error: BaseException) -> dict[str, str | None]:
    """Describe an exception: its type, its message, and the limit that it speaks of."""
    try:
        text = str(error)[:500]
    except Exception:  # noqa: BLE001 - an exception of others may do anything
        text = ""
    return {"type": type(error).__name__, "text": text, "limit": _limit(error, text)}


def _limit(error: BaseException, text: str) -> str | None:
    if isinstance(error, MemoryError):
        return "memory"
    if "name resolution" in text:
        return "network"
    if isinstance(error, OSError):
        return _LIMITS.get(error.errno or 0)
    return "processes" if "can't start new thread" in text else None


class Server:
    """Answers the requests of tests: calls, attributes, items of what the program made."""

    def __init__(self, scope: dict[str, Any], channel: io.BufferedRWPair) -> None:
        self.scope, self.channel = scope, channel
        self.objects: list[object] = []

    def serve(self) -> None:
        """Answer until the tests have ended."""
        for line in iter(self.channel.readline, b""):
            try:
                reply = self._answer(json.loads(line))
                written = dumps(reply)
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
                written = dumps({"error": described(error)})
            self.channel.write(written)
            self.channel.flush()

    def _keep(self, value: object) -> int:
        self.objects.append(value)
        return len(self.objects) - 1

    def _fetch(self, handle: int, _name: str) -> object:
        return self.objects[handle]

    def _target(self, request: dict[str, Any]) -> Any:  # noqa: ANN401 - an object of the program
        if "name" in request:
            return self.scope[request["name"]]
        return self.objects[request["handle"]]

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        target, verb = self._target(request), request["verb"]
        if verb == "call":
            return self._call(target, request)
        if verb == "items":
            return {"value": [pack(x, self._keep) for x in itertools.islice(target, MOST)]}
        if verb == "truth":
            return {"value": bool(target)}
        if verb == "attribute":
            return {"value": pack(getattr(target, request["attribute"]), self._keep)}
        return {"value": pack(target, self._keep)}

    def _call(self, target: Any, request: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - idem
        arguments = unpack(request["arguments"], self._fetch)
        options = unpack(request["options"], self._fetch)
        before = [pack(each, self._keep) for each in arguments]
        value = target(*arguments, **options)
        if hasattr(value, "__await__"):
            import asyncio

            value = asyncio.run(_awaited(value))
        after = [pack(each, self._keep) for each in arguments]
        reply = {"value": pack(value, self._keep)}
        return reply if after == before else {**reply, "arguments": after}


async def _awaited(value: Any) -> object:  # noqa: ANN401 - what the program returned
    return await value

"""Listening at an address until a signal comes, and ending well.

At the first SIGINT or SIGTERM nothing new is taken, and what was accepted is finished, for so many
seconds of grace; what then is not finished is ended with an error. A second signal ends all at
once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

from composer.backends.endpoint.chain import serving_at
from composer.diagnostics import Diagnostic, Mistakes
from composer.serve.errors import ProtocolError
from composer.serve.lifecycle import Lifecycle, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import FastAPI

__all__ = ["Listener", "address_of", "listen"]

BACKLOG = 2048
"""Connections that wait until they are accepted."""

KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: longer than those of common load balancers."""

AT_ONCE = 0.5
"""Seconds that what runs has to end after a second signal."""

LAST = 5
"""Seconds after the grace in which errors are still sent."""

INTERRUPTED = 130
"""The exit status of a process that a signal has ended."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raises Mistakes (E810) where that cannot be."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        text = f"this machine has no host `{host}` to listen at"
        help_ = "give `--host 127.0.0.1`, or the address of a network interface"
        raise Mistakes([Diagnostic("E810", text, help=help_)]) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        text = f"cannot listen at {_shown(host, port)}: {os.strerror(error.errno or 0).lower()}"
        help_ = "give another `--port`; with `--port 0` a free one is taken"
        raise Mistakes([Diagnostic("E810", text, help=help_)]) from error
    return listener


def address_of(host: str, listener: socket.socket) -> str:
    """Return the address under which a socket is reached."""
    return f"http://{_shown(host, listener.getsockname()[1])}"


@dataclass(eq=False)
class Listener:
    """Serves an application on a socket until it is told to stop.

    `prepare` is called in a thread of its own once the server listens; then it is ready, and
    `on_ready` is called. `on_stop` is told how many requests are to be finished.
    """

    app: FastAPI
    lifecycle: Lifecycle
    grace: float
    prepare: Callable[[], None]
    on_ready: Callable[[], None]
    on_stop: Callable[[int], None]

    def __post_init__(self) -> None:
        config = uvicorn.Config(
            self.app,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=int(self.grace) + LAST,
        )
        self._server = _Server(config)
        self._error: BaseException | None = None
        self._signals = self.cut_off = 0

    def serve(self, host: str, listener: socket.socket) -> None:
        """Serve until a signal comes; then `cut_off` is how many requests were not finished.

        Raises KeyboardInterrupt after a second signal, and what preparing raised.
        """
        with serving_at(host, listener.getsockname()[1]):
            asyncio.run(self._serve(listener))
        if self._signals > 1:
            raise KeyboardInterrupt
        if self._error is not None:
            raise self._error

    async def _serve(self, listener: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._signal)
        threading.Thread(target=self._prepare, name="prepare", daemon=True).start()
        await self._server.serve(sockets=[listener])

    def _prepare(self) -> None:
        try:
            self.prepare()
        except BaseException as error:  # noqa: BLE001 - it ends the server, which raises it
            self._error = error
        with suppress(RuntimeError):  # the server has ended meanwhile
            self._loop.call_soon_threadsafe(self._prepared)

    def _prepared(self) -> None:
        if self._error is not None:
            self._stop()
        elif self.lifecycle.stage is Stage.LOADING:
            self.lifecycle.stage = Stage.READY
            self.on_ready()

    def _signal(self) -> None:
        """Stop at the first signal; end all at once at the second."""
        self._signals += 1
        if self._signals == 1:
            self.on_stop(len(self.lifecycle.visits))
            self._stop()
            return
        self._server.force_exit = True
        self.lifecycle.end_all(_stopped())
        last = threading.Timer(AT_ONCE, os._exit, (INTERRUPTED,))
        last.daemon = True
        last.start()

    def _stop(self) -> None:
        """Take nothing new, and finish what was accepted."""
        self.lifecycle.stage = Stage.STOPPING
        self._server.should_exit = True
        self._loop.call_later(self.grace, self._cut)

    def _cut(self) -> None:
        """End what is not finished."""
        self.cut_off = self.lifecycle.end_all(_stopped())


class _Server(uvicorn.Server):
    """A server that leaves signals to us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


def _stopped() -> ProtocolError:
    return ProtocolError("E806", "the server has stopped before the answer was finished")


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

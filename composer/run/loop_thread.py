"""An event loop in a thread of its own, which no error of a task ends.

It closes when it is dropped or when the process ends. A forked process has no such thread, so it
gets an error instead of waiting for ever.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet, finalize

from composer.run.result import Failure
from composer.run.timeouts import ended

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from contextvars import Context

T = TypeVar("T")

AT_EXIT = 2.0
"""Seconds that the end of the process waits for loops that nobody closed."""


class LoopThread:
    """Runs coroutines that any thread submits; `ending` is awaited last."""

    def __init__(self, ending: Callable[[], Awaitable[None]]) -> None:
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        self._stopped = threading.Event()
        self._handed: deque[tuple[Coroutine[Any, Any, Any], Future[Any], Context]] = deque()
        self._woken = False
        self._thread = threading.Thread(
            target=_serve, args=(self._loop, self._stopped, ending), name="compose", daemon=True
        )
        self._thread.start()
        finalize(self, _stop, self._loop, self._stopped, self._process).atexit = False
        _OPEN.add(self)

    @property
    def is_forked(self) -> bool:
        """Whether this process was forked off the one in which the thread runs."""
        return os.getpid() != self._process

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine in the thread, in the context of whoever submits it.

        Several that are submitted together wake the thread once.
        """
        future: Future[T] = Future()
        self._handed.append((work, future, copy_context()))
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._take)
        return future

    def _take(self) -> None:
        """Start the submitted coroutines; called in the thread."""
        self._woken = False
        while self._handed:
            work, future, context = self._handed.popleft()
            task = self._loop.create_task(work, context=context)
            task.add_done_callback(partial(_settle, future))
            future.add_done_callback(partial(_withdraw, task, self._loop))

    def demand(self, *, waits: bool) -> None:
        """Raise Failure if asking would block for ever: in a fork, or if this thread `waits`."""
        if self.is_forked:
            text = (
                "this ensemble was made ready before the process was forked, and cannot be used "
                "in the new process"
            )
            raise Failure("E707", text, "make the recipe ready in each process")
        if waits and threading.current_thread() is self._thread:
            text = "this call waits for an ensemble in the thread that the ensemble runs in"
            raise Failure("E701", text, "use `await ensemble.ask(...)` instead")

    def stop(self) -> None:
        """Let the thread cancel what runs and end; this does not wait for it."""
        _OPEN.discard(self)
        _stop(self._loop, self._stopped, self._process)

    def join(self, timeout: float | None = None) -> None:
        """Wait until the thread has ended."""
        if not self.is_forked and threading.current_thread() is not self._thread:
            self._thread.join(timeout)


def _settle(future: Future[T], task: asyncio.Task[T]) -> None:
    """Copy the result of a task to the future that another thread waits for."""
    if task.cancelled():
        future.cancel()
    if future.set_running_or_notify_cancel():
        error = task.exception()
        if error is None:
            future.set_result(task.result())
        else:
            future.set_exception(error)


def _withdraw(task: asyncio.Task[T], loop: asyncio.AbstractEventLoop, future: Future[T]) -> None:
    """Cancel the task of a future that was cancelled."""
    if future.cancelled() and not loop.is_closed():
        loop.call_soon_threadsafe(task.cancel)


_OPEN: WeakSet[LoopThread] = WeakSet()


def _stop(loop: asyncio.AbstractEventLoop, stopped: threading.Event, process: int) -> None:
    """End a loop without waiting: the garbage collector calls this too, from any thread."""
    if os.getpid() == process:
        stopped.set()
        with suppress(RuntimeError):  # it has ended already
            loop.call_soon_threadsafe(loop.stop)


def _serve(
    loop: asyncio.AbstractEventLoop,
    stopped: threading.Event,
    ending: Callable[[], Awaitable[None]],
) -> None:
    """Run a loop until it is stopped, even if a task raises SystemExit."""
    while not stopped.is_set():
        with suppress(BaseException):
            loop.run_forever()
    for last in (_cancelled, ending):
        with suppress(BaseException):
            loop.run_until_complete(last())
    loop.close()


async def _cancelled() -> None:
    """Cancel every task under way, and wait a while until all of them have ended."""
    await ended(list(asyncio.all_tasks() - {asyncio.current_task()}))


@atexit.register
def _close_all() -> None:
    """Stop the loops that nobody closed, so that what waits to be written is written."""
    loops = list(_OPEN)
    for loop in loops:
        loop.stop()
    for loop in loops:
        loop.join(AT_EXIT / len(loops))

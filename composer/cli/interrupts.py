"""A first Ctrl-C, or SIGTERM, ends a command within a second, whatever it is at.

The signal becomes a KeyboardInterrupt in the main thread, which writes what it holds and closes
what it opened. Where that takes long, as in the middle of a forward pass, of an import or of
waiting for another process's lock, a thread that waits for the signal beside ends the process.
Nothing is lost by that: answers are written as they come, and files that must be whole are
replaced, never changed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, nullcontext

TYPE_CHECKING = False  # that of `typing` takes long to import, and this comes before all else
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from types import FrameType, TracebackType
    from typing import ClassVar, Self

__all__ = ["EXIT_INTERRUPTED", "Interrupts", "ending_signals", "handled", "is_ending"]

EXIT_INTERRUPTED = 130
"""The exit status of a command that was interrupted."""

GRACE = 0.5
"""Seconds that the main thread has to end by itself."""

UNSEEN = 0.1
"""Seconds after which the main thread is made to look for a signal that another handler has."""


def ending_signals() -> list[signal.Signals]:
    """Return the signals that end a command, except ignored ones; none outside the main thread."""
    is_main = threading.current_thread() is threading.main_thread()
    signals = (signal.SIGINT, signal.SIGTERM) if is_main and os.name == "posix" else ()
    return [number for number in signals if signal.getsignal(number) != signal.SIG_IGN]


class Interrupts:
    """Watches for signals while a command runs; `interrupted` says that one has come."""

    current: ClassVar[Interrupts | None] = None
    """Those of the command that runs, where they watch."""

    def __init__(self) -> None:
        self.interrupted = False
        self._tell_once = threading.Lock()
        self._handlers: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        """Begin to watch, unless this is no main thread, or signals are ignored from outside."""
        signals = ending_signals()
        if not signals:
            return self
        self._main = threading.get_ident()
        self._reads, self._writes = os.pipe()
        os.set_blocking(self._writes, False)
        self._wakes = signal.set_wakeup_fd(self._writes, warn_on_full_buffer=False)
        self._handlers = {number: signal.signal(number, self._interrupt) for number in signals}
        threading.Thread(target=self._watch, name="interrupts", daemon=True).start()
        Interrupts.current = self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop watching; after a signal the watching thread still ends the process in time."""
        Interrupts.current = None
        if self.interrupted or not self._handlers:
            return
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakes)
        os.close(self._writes)

    @contextmanager
    def handed_over(self, number: signal.Signals, handler: signal._HANDLER) -> Iterator[None]:
        """Let another handler have a signal, which ends nothing by itself then."""
        before = self._handlers.pop(number, None)
        usual = signal.signal(number, handler)
        try:
            yield
        finally:
            signal.signal(number, usual)
            if before is not None:
                self._handlers[number] = before

    def tell(self) -> None:
        """Say once that the command was interrupted."""
        if self._tell_once.acquire(blocking=False):
            from composer.cli.terminal import err

            err("interrupted")

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt at the first signal; others change nothing."""
        del number, frame
        if not self.interrupted:
            self.interrupted = True
            # What ends on the way, in a thread or in a finalizer, is no news.
            sys.unraisablehook = threading.excepthook = _quiet
            raise KeyboardInterrupt

    def _watch(self) -> None:
        """End the process a while after a signal, unless another handler has it.

        `input` does not see a signal that comes while it shows what was typed, and then waits for
        the next key. SIGWINCH, which changes nothing else, ends this waiting.
        """
        while received := os.read(self._reads, 1):
            if received[0] in self._handlers:
                time.sleep(GRACE)
                self.tell()
                os._exit(EXIT_INTERRUPTED)
            time.sleep(UNSEEN)
            signal.pthread_kill(self._main, signal.SIGWINCH)
        os.close(self._reads)


def handled(number: signal.Signals, handler: signal._HANDLER) -> AbstractContextManager[None]:
    """Let a handler have a signal while this is held; nothing where no command watches."""
    watching = Interrupts.current
    return nullcontext() if watching is None else watching.handed_over(number, handler)


def is_ending() -> bool:
    """Say whether a signal has come that ends the command."""
    return Interrupts.current is not None and Interrupts.current.interrupted


def _quiet(_: object) -> None:
    """Say nothing."""

"""The command `compose`.

A signal that comes while Python is still importing the command ends it in our words too, so
nothing but the handler of signals is imported before that.
"""

from __future__ import annotations

import os
import signal
import sys

from composer.cli.interrupts import EXIT_INTERRUPTED, ending_signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and leave with its exit status."""
    before = {number: signal.signal(number, _leave) for number in ending_signals()}
    try:
        from composer.cli.verbs import execute

        status = execute(arguments)
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is _leave:
                signal.signal(number, handler)
    sys.exit(status)


def _leave(number: int, frame: FrameType | None) -> None:
    """End the process: nothing was begun that could be lost."""
    del number, frame
    os.write(2, b"\ninterrupted\n")
    os._exit(EXIT_INTERRUPTED)

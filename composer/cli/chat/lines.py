"""The lines that a user of `compose chat` writes, at a terminal or through a pipe."""

from __future__ import annotations

import signal
import sys
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.cli.interrupts import handled
from composer.cli.terminal import err, is_terminal, utf8
from composer.run import Failure

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

PROMPT = "> "


@dataclass(frozen=True)
class Lines:
    """Reads lines; `by_hand` says that a person writes them, who is shown a prompt.

    At a terminal Ctrl-C raises KeyboardInterrupt and does not end the program.
    """

    by_hand: bool

    @classmethod
    def of_stdin(cls) -> Lines:
        """Read from stdin; where that is a terminal, lines can be edited and called back."""
        by_hand = is_terminal(sys.stdin)
        if by_hand:
            with suppress(ImportError):  # Python was built without it
                import readline  # noqa: F401 - `input` uses it
        return cls(by_hand)

    def interruptible(self) -> AbstractContextManager[None]:
        """Let Ctrl-C end what is under way, and not the program, while this is held."""
        if not self.by_hand:
            return nullcontext()
        return handled(signal.SIGINT, signal.default_int_handler)

    def read(self) -> str | None:
        """Return the next line without blanks around it, None where there is no more.

        Raises Failure (E504) where it is no text.
        """
        try:
            return utf8(self._line()).strip()
        except EOFError:
            if self.by_hand:
                err("")
            return None
        except UnicodeDecodeError:
            text = "stdin: a line is not text in UTF-8"
            raise Failure("E504", text, "save it as UTF-8") from None

    def _line(self) -> str:
        if self.by_hand and is_terminal(sys.stdout):
            return input(PROMPT)
        if self.by_hand:
            err(PROMPT, end="")
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line

"""Writing to stdout and stderr: what a terminal shows, and what is piped.

A terminal gets no character that would steer it, and what its encoding lacks is replaced. What is
piped is UTF-8 whatever the locale says, byte for byte what was given to `out`.
"""

from __future__ import annotations

import io
import os
import sys
import textwrap
from typing import TYPE_CHECKING

from composer.diagnostics.printable import STEERING, line_width, steady
from composer.diagnostics.secrets import starred

if TYPE_CHECKING:
    import re
    from types import TracebackType
    from typing import TextIO

__all__ = [
    "ReaderGoneError",
    "drain",
    "err",
    "has_colours",
    "is_terminal",
    "out",
    "prepare",
    "traced",
    "utf8",
    "wrapped",
]


class ReaderGoneError(Exception):
    """Nobody reads any more what the command writes, as after `| head -1`."""


def prepare() -> None:
    """Set up the streams so that no text can cause an encoding error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if stream.isatty():
                stream.reconfigure(errors="replace")
            else:
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    if isinstance(sys.stdin, io.TextIOWrapper) and not sys.stdin.isatty():
        sys.stdin.reconfigure(encoding="utf-8", errors="strict")


def out(text: str = "", *, end: str = "\n", as_json: bool = False, drawn: bool = False) -> None:
    """Write a result to stdout: as it is, or steady where that is a terminal.

    In JSON what would steer a terminal is escaped, so that it means the same. What is `drawn` has
    colours of ours, and nothing else that steers.
    """
    if is_terminal(sys.stdout) and not drawn:
        text = STEERING.sub(_escaped, text) if as_json else steady(text)
    _write(sys.stdout, text + end)


def err(text: str, *, end: str = "\n", drawn: bool = False) -> None:
    """Write a word to the user on stderr, always steady; what is `drawn` was made so before."""
    _write(sys.stderr, (text if drawn else steady(starred(text))) + end)


def wrapped(line: str) -> str:
    """Break a line at spaces so that it fits the terminal; what follows is indented further."""
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    pieces = textwrap.wrap(
        line,
        line_width(),
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(pieces)


def traced(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Write a traceback as Python does, with stars for secrets."""
    from traceback import format_exception

    err("".join(format_exception(kind, error, trace)), end="")


def drain() -> None:
    """Flush the streams; a reader that has stopped, as `head` does, is no error."""
    for stream in (sys.stdout, sys.stderr):
        if stream is None or stream.closed:  # a server over stdio has closed it
            continue
        try:
            stream.flush()
        except OSError:  # it was said where it first happened
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def utf8(argument: str) -> str:
    """Return an argument as the UTF-8 that it is, where the locale took it for something else."""
    try:
        return os.fsencode(argument).decode()
    except UnicodeError:
        return argument


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"


def is_terminal(stream: TextIO | None) -> bool:
    """Say whether a stream is there and a person may be before it."""
    return stream is not None and stream.isatty()


def has_colours(stream: TextIO | None) -> bool:
    """Say whether a stream is a terminal that shows colours, and no `NO_COLOR` forbids them."""
    forbidden = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return is_terminal(stream) and not forbidden


def _write(stream: TextIO | None, text: str) -> None:
    """Write at once; where a process has no such stream, nothing is written."""
    if stream is None:
        return
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError as error:
        raise ReaderGoneError from error
    except OSError as error:
        if stream is sys.stderr:  # a full disk under a log ends no run
            return
        from composer.run.result import Failure

        raise Failure("E718", f"cannot write the answers: {error.strerror}") from error

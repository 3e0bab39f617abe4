"""Bytes into text: whole characters only, up to a stop string, piece by piece."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["TextStream"]


class TextStream:
    """Collects an answer's bytes; what it has emitted is never taken back.

    The text ends before a stop string, or behind it with `keep_stop`.
    """

    def __init__(
        self,
        stop: Sequence[str] = (),
        emit: Callable[[str], None] | None = None,
        *,
        keep_stop: bool = False,
    ) -> None:
        self.text = ""
        self.stopped = False
        self._stop = [s for s in stop if s]
        self._keep_stop = keep_stop
        self._emit = emit
        self._sent = 0
        self._free = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    @property
    def whole(self) -> bool:
        """Whether all bytes so far are text: none waits for the rest of its character."""
        return not self._decoder.getstate()[0]

    def add(self, piece: bytes, *, last: bool = False, free: bool = False) -> None:
        """Take bytes, stop if a stop string is complete, and emit what is certain.

        No stop string ends in what is `free`.
        """
        new = self._decoder.decode(piece, last)
        if self.stopped:
            return
        if free:
            self.text += new
            self._free = len(self.text)
        else:
            self._cut(new)
        held = 0 if last or self.stopped else self._held()
        end = len(self.text) - held
        if self._emit is not None and end > self._sent:
            self._emit(self.text[self._sent : end])
        self._sent = max(self._sent, end)

    def close(self) -> str:
        """Emit what was held back; the whole text."""
        self.add(b"", last=True)
        return self.text

    def _cut(self, new: str) -> None:
        """Append, up to the first stop string."""
        longest = max((len(s) for s in self._stop), default=0)
        start = max(0, len(self.text) - longest + 1)
        self.text += new
        starts = {s: max(start, self._free - len(s) + 1) for s in self._stop}
        found = [(at, len(s)) for s, n in starts.items() if (at := self.text.find(s, n)) >= 0]
        if found:
            at, length = min(found)
            self.text = self.text[: at + length if self._keep_stop else at]
            self.stopped = True

    def _held(self) -> int:
        """How many characters at the end may be the beginning of a stop string."""
        tail = max((len(s) for s in self._stop), default=1) - 1
        lengths = range(min(tail, len(self.text)), 0, -1)
        return next((n for n in lengths if self._begins(self.text[-n:])), 0)

    def _begins(self, tail: str) -> bool:
        return any(s.startswith(tail) for s in self._stop)

"""Models that reason aloud: where their thoughts end and the answer begins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Thinking", "ThoughtFilter"]

_WORD = re.compile(r"[\w:.-]+")


@dataclass(frozen=True)
class Thinking:
    """The tags around thoughts, by name; `opened` says that the prompt has opened a block."""

    tags: tuple[str, ...]
    opened: bool = False

    @property
    def opening(self) -> tuple[str, ...]:
        """What a block begins with."""
        return tuple(f"<{tag}>" if _WORD.fullmatch(tag) else tag for tag in self.tags)

    @property
    def closing(self) -> tuple[str, ...]:
        """What a block ends with."""
        return tuple(f"{mark[0]}/{mark[1:]}" for mark in self.opening)

    @cached_property
    def marks(self) -> re.Pattern[str]:
        """Matches the beginning or the end of a block."""
        return re.compile("|".join(map(re.escape, (*self.closing, *self.opening))))

    def split(self, text: str) -> tuple[str | None, str]:
        """Return the answer without thoughts, and the thoughts.

        The answer is None where a block is never closed. All before an end without a beginning is
        thought.
        """
        answer: list[str] = []
        thoughts: list[str] = []
        inside, at, has_tags = self.opened, 0, self.opened
        for match in self.marks.finditer(text):
            has_tags = True
            (thoughts if inside else answer).append(text[at : match.start()])
            at = match.end()
            if match[0] in self.closing and not inside:
                thoughts, answer = [*thoughts, *answer], []
            inside = match[0] not in self.closing
        if not has_tags:
            return text, ""
        (thoughts if inside else answer).append(text[at:])
        joined_thoughts = "".join(thoughts).strip()
        return (None if inside else "".join(answer).strip()), joined_thoughts


class ThoughtFilter:
    """Hands a stream on without the thoughts in it."""

    def __init__(self, thinking: Thinking, emit: Callable[[str], None]) -> None:
        self._thinking = thinking
        self._emit = emit
        self._inside = thinking.opened
        self._at_start = True
        self._buffer = ""

    def __call__(self, piece: str) -> None:
        """Take a piece, and emit what is certain to be of the answer."""
        self._buffer += piece
        while match := self._thinking.marks.search(self._buffer):
            self._write(self._buffer[: match.start()])
            self._buffer = self._buffer[match.end() :]
            self._inside = match[0] not in self._thinking.closing
        keep = self._possible_tag_length()
        self._write(self._buffer[: len(self._buffer) - keep])
        self._buffer = self._buffer[len(self._buffer) - keep :]

    def close(self) -> None:
        """Emit what was held back."""
        self._write(self._buffer)
        self._buffer = ""

    def _write(self, text: str) -> None:
        if self._inside:
            return
        text = text.lstrip() if self._at_start else text
        if text:
            self._at_start = False
            self._emit(text)

    def _possible_tag_length(self) -> int:
        """How many characters at the end may be the beginning of a tag."""
        tags = (*self._thinking.opening, *self._thinking.closing)
        most = min(len(self._buffer), max(map(len, tags), default=1) - 1)
        sizes = range(most, 0, -1)
        return next((n for n in sizes if any(t.startswith(self._buffer[-n:]) for t in tags)), 0)

"""A stream of lexemes cut into statements, with what brackets and line breaks got wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.syntax.wording import misplaced, mismatched, unclosed, unopened, unreadable
from composer.syntax.words import (
    CLOSES,
    CONTINUES,
    GOES_ON,
    OPENS,
    STATEMENTS,
    UNREADABLE,
    ends_operand,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from composer.syntax.lexemes import Lexeme
    from composer.words import Diagnostic, Place


class Statements:
    """Cuts lexemes into statements: `whole` are to be parsed, `mistakes` say why others are not."""

    def __init__(self, lexemes: Iterable[Lexeme]) -> None:
        self.whole: list[list[Lexeme]] = []
        self.comments: list[tuple[Place, str]] = []
        self.mistakes: list[Diagnostic] = []
        self._open: list[Lexeme] = []
        self._current: list[Lexeme] = []
        self._broken = False
        self._fresh = True
        """Whether a line break came just before."""
        self._read(lexemes)

    def _read(self, lexemes: Iterable[Lexeme]) -> None:
        held: Lexeme | None = None
        for lexeme in lexemes:
            if lexeme.type == "COMMENT":
                self.comments.append((lexeme.place, lexeme.text))
                continue
            if held:
                self._take(held, lexeme)
            held = lexeme
        if held:
            self._take(held, None)
        self._end()

    def _take(self, lexeme: Lexeme, following: Lexeme | None) -> None:
        kind = lexeme.type
        if kind == "NEWLINE":
            self._fresh = True
            return
        if self._begins(lexeme, following):
            self._end()
        self._fresh = False
        if kind in UNREADABLE:
            self._refuse(unreadable(lexeme, self._current))
            self._swallow(lexeme)
        elif kind in OPENS:
            self._open.append(lexeme)
        elif kind in CLOSES:
            self._close(lexeme)
        self._current.append(lexeme)

    def _begins(self, lexeme: Lexeme, following: Lexeme | None) -> bool:
        """Say whether a lexeme is the first of a statement."""
        if not self._current:
            return False
        if lexeme.type in STATEMENTS and following:
            heads = following.type in ("NAME", "STRING", "TEMPLATE")
            if self._fresh:
                return heads or not self._open
            if heads and not self._open and ends_operand(self._current[-1]):
                self._refuse(misplaced(lexeme))
                return True
        if lexeme.type == "CONFLICT" or self._current[-1].type == "CONFLICT":
            return True
        if not self._fresh or self._open:
            return False
        return lexeme.type not in GOES_ON and self._current[-1].type not in CONTINUES

    def _close(self, lexeme: Lexeme) -> None:
        wanted = CLOSES[lexeme.type]
        if not self._open:
            self._refuse(unopened(lexeme))
        elif self._open[-1].type == wanted:
            self._open.pop()
        else:
            self._refuse(mismatched(self._open[-1], lexeme))
            while len(self._open) > 1 and self._open[-1].type != wanted:
                self._open.pop()
            self._open.pop()

    def _swallow(self, lexeme: Lexeme) -> None:
        """Count the brackets that a string without an end has taken in as closed by it."""
        if lexeme.type in ("OPEN_STRING", "OPEN_TEMPLATE"):
            for letter in lexeme.text:
                if letter in ")]" and self._open:
                    self._open.pop()

    def _refuse(self, mistake: Diagnostic) -> None:
        if not self._broken:
            self.mistakes.append(mistake)
        self._broken = True

    def _end(self) -> None:
        if self._open:
            self._refuse(unclosed(self._open))
        if self._current and not self._broken:
            self.whole.append(self._current)
        self._current, self._open, self._broken = [], [], False

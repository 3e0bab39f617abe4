"""A stream of lexemes cut into statements, and what brackets and line breaks got wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from composer.syntax.lexemes import (
    CLOSES,
    CONTINUES,
    GOES_ON,
    OPENS,
    STATEMENTS,
    UNREADABLE,
    ends_operand,
)
from composer.syntax.mistakes.brackets import DEEPEST, mismatched, too_deep, unclosed, unopened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from composer.diagnostics import Diagnostic, Place
    from composer.syntax.lexemes import Lexeme

SWALLOWED = re.compile(
    r'^(?:(?:let|model)\s+\w+\s*=|param\s+\w+\s*:|def\s+\w+\s*\(|(?:use|example)\s+")', re.MULTILINE
)
"""What makes one suspect that a template has taken in statements, its end being forgotten."""


QUOTING = ("USE", "EXAMPLE")
"""Statements that go on with a text in quotes."""


class StatementSplitter:
    """The statements of a file: `whole` can be parsed, `mistakes` say why others cannot."""

    def __init__(self, lexemes: Iterable[Lexeme]) -> None:
        self.whole: list[list[Lexeme]] = []
        self.comments: list[tuple[Place, str]] = []
        self.mistakes: list[Diagnostic] = []
        self._current: list[Lexeme] = []
        self._open: list[Lexeme] = []
        self._left_open: list[str] = []
        self._markers: list[Lexeme] = []
        self._suspect: Lexeme | None = None
        self._broken = self._fresh = False
        self._read(lexemes)

    def _read(self, lexemes: Iterable[Lexeme]) -> None:
        """Take each lexeme with a look at the one after it."""
        previous: Lexeme | None = None
        for lexeme in lexemes:
            if lexeme.type == "COMMENT":
                self.comments.append((lexeme.place, lexeme.text))
                continue
            if previous:
                self._take(previous, lexeme)
            previous = lexeme
        if previous:
            self._take(previous, None)
        self._end()
        if self._markers:
            from composer.syntax.mistakes.characters import conflict

            self.mistakes.append(conflict(self._markers))

    def _take(self, lexeme: Lexeme, following: Lexeme | None) -> None:
        kind = lexeme.type
        if kind == "NEWLINE":
            self._fresh = True
            return
        if self._current and self._begins(lexeme, following):
            self._end()
        if kind == "CONFLICT":
            self._end()
            self._markers.append(lexeme)
            return
        if kind in CLOSES and self._left_behind(kind):
            return
        self._current.append(lexeme)
        if kind in OPENS:
            self._opens(lexeme)
        elif kind in CLOSES:
            self._closes(lexeme)
        elif kind == "TEMPLATE" and SWALLOWED.search(lexeme.text):
            self._suspect = self._suspect or lexeme
        elif kind in UNREADABLE:
            self._unreadable(lexeme)
        self._fresh = False

    def _begins(self, lexeme: Lexeme, following: Lexeme | None) -> bool:
        """Say whether a lexeme is the first of a new statement."""
        if lexeme.type in STATEMENTS and following:
            heads = following.type in ("NAME", "STRING", "TEMPLATE")
            if self._fresh and (heads or not self._open):
                return True
            if heads and not self._open and ends_operand(self._current[-1].type):
                from composer.syntax.mistakes.statements import misplaced

                self._refuse(misplaced(lexeme))
                return True
        if not self._fresh or self._open:
            return False
        return lexeme.type not in GOES_ON and self._current[-1].type not in CONTINUES

    def _opens(self, lexeme: Lexeme) -> None:
        self._open.append(lexeme)
        if len(self._open) > DEEPEST:
            self._refuse(too_deep(lexeme.place))

    def _closes(self, lexeme: Lexeme) -> None:
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

    def _left_behind(self, kind: str) -> bool:
        """Skip a line's first bracket if it closes what a statement before left open."""
        if self._current or CLOSES[kind] not in self._left_open:
            return False
        self._left_open.remove(CLOSES[kind])
        return True

    def _unreadable(self, lexeme: Lexeme) -> None:
        """Refuse what is no lexeme; a string without an end has taken in closing brackets."""
        from composer.syntax.mistakes.characters import unopened, unreadable

        if self._current[0].type in QUOTING and self._current[1].type in ("NAME", "NUMBER"):
            self._refuse(unopened(self._current[1].place.to(lexeme.place)))
            return
        if lexeme.type == "OPEN_TEMPLATE" and self._suspect:
            self._turned_round(self._suspect, lexeme)
        self._refuse(unreadable(lexeme))
        if lexeme.type in ("OPEN_STRING", "OPEN_TEMPLATE"):
            for letter in lexeme.text:
                if letter in ")]" and self._open:
                    self._open.pop()

    def _turned_round(self, suspect: Lexeme, left_over: Lexeme) -> None:
        """Blame the template whose end was forgotten, and nothing that was misread after it."""
        from composer.syntax.mistakes.characters import unended

        start = suspect.place.start
        self.whole = [item for item in self.whole if item[0].place.start < start]
        self.mistakes = [item for item in self.mistakes if item.place and item.place.start < start]
        self.mistakes.append(unended(suspect, left_over))
        self._broken = True

    def _refuse(self, mistake: Diagnostic) -> None:
        """Note the first mistake of a statement; what follows it may be its consequence."""
        if not self._broken:
            self.mistakes.append(mistake)
        self._broken = True

    def _end(self) -> None:
        if self._open:
            self._refuse(unclosed(self._open))
        if self._current and not self._broken:
            self.whole.append(self._current)
        self._left_open += [lexeme.type for lexeme in self._open]
        self._current, self._open, self._broken = [], [], False

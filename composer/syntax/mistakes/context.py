"""Where the parser stopped: what stands there, what stood before, which bracket is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.syntax.lexemes import CLOSES, OPENS

if TYPE_CHECKING:
    from composer.syntax.lexemes import Lexeme

END = "END"
"""The kind of what is found where a statement ends too early."""


class ParseContext:
    """A lexeme that cannot stand where it stands, and what is around it."""

    def __init__(self, statement: list[Lexeme], at: int) -> None:
        self.statement = statement
        self.at = at
        self.head = statement[0]
        self.ended = at >= len(statement)
        self.lexeme = statement[-1] if self.ended else statement[at]
        self.before = statement[at - 1] if at else None
        self.opening, self.level = _level(statement[:at])

    @property
    def kind(self) -> str:
        """The kind of the lexeme."""
        return END if self.ended else self.lexeme.type

    @property
    def previous(self) -> str:
        """The kind of the lexeme before it, or nothing."""
        return self.before.type if self.before else ""

    @property
    def following(self) -> Lexeme | None:
        """The lexeme after it."""
        return self.statement[self.at + 1] if self.at + 1 < len(self.statement) else None

    @property
    def touches(self) -> bool:
        """Whether it follows the lexeme before it with no space between."""
        return self.before is not None and self.before.place.end == self.lexeme.place.start

    @property
    def within(self) -> str:
        """What the innermost open bracket encloses, or nothing outside of brackets."""
        if self.opening is None:
            return ""
        opening = self.statement[self.opening]
        if opening.type == "LSQB":
            return "type" if self.head.type == "PARAM" and self._typed() else "bank"
        special = {("DEF", 2): "parameters", ("USE", 2): "names"}
        if (self.head.type, self.opening) in special:
            return special[self.head.type, self.opening]
        called = self.opening and self.statement[self.opening - 1].type == "NAME"
        return "call" if called else "group"

    def _typed(self) -> bool:
        return all(lexeme.type != "EQUAL" for lexeme in self.statement[: self.opening])


def _level(before: list[Lexeme]) -> tuple[int | None, list[Lexeme]]:
    """Find the innermost bracket left open, and what stands since it on its own level."""
    open_: list[int] = []
    levels: list[list[Lexeme]] = [[]]
    for at, lexeme in enumerate(before):
        if lexeme.type in OPENS:
            open_.append(at)
            levels.append([])
        elif lexeme.type in CLOSES and open_:
            open_.pop()
            levels.pop()
        else:
            levels[-1].append(lexeme)
    return (open_[-1] if open_ else None), levels[-1]

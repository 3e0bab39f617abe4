"""The colours of members, and an answer's text cut where another member begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from composer.diagnostics.printable import steady

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from composer.values.details import TokenChoice

__all__ = ["Palette", "Winners"]

COLOURS = ("36", "35", "33", "32", "34", "31", "96", "95", "93", "92", "94", "91")
"""Colours of a terminal, by which members are told apart."""


@dataclass
class Palette:
    """Gives each member a colour when it first writes something."""

    colours: dict[str, str] = field(default_factory=dict)

    def add(self, names: Iterable[str]) -> None:
        """Give members their colours, though they have not written anything yet."""
        for name in names:
            self._of(name)

    def painted(self, text: str, name: str | None) -> str:
        """Return a text in the colour of a member, as a terminal takes it."""
        text = steady(text)
        return text if name is None else f"\x1b[{self._of(name)}m{text}\x1b[0m"

    def legend(self) -> str:
        """Name the members, each in its colour."""
        return "  ".join(self.painted(name, name) for name in self.colours)

    def _of(self, name: str) -> str:
        return self.colours.setdefault(name, COLOURS[len(self.colours) % len(COLOURS)])


@dataclass
class Winners:
    """Knows which member won each token of a text that comes in other pieces.

    Tokens come first; a text may leave out some of them, such as a stop string.
    """

    _waiting: bytearray = field(default_factory=bytearray)
    _names: list[str | None] = field(default_factory=list)

    def add(self, choice: TokenChoice) -> None:
        """Take a token."""
        winner, piece = choice.winner, choice.chosen.piece
        self._waiting += piece
        self._names += [None if winner is None else winner.name] * len(piece)

    def runs(self, text: str) -> Iterator[tuple[str, str | None]]:
        """Yield the next text in runs of one member each; None where nobody is known."""
        at = self._waiting.find(text.encode())
        if at < 0:
            yield text, None
            return
        run, name, end = "", None, at
        for letter in text:
            if self._names[end] != name and run:
                yield run, name
                run = ""
            name = self._names[end]
            run, end = run + letter, end + len(letter.encode())
        if run:
            yield run, name
        del self._waiting[:end], self._names[:end]

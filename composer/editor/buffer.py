"""A recipe as an editor holds it: perhaps broken, perhaps never saved."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from composer.compiler.graph.context import Context
from composer.compiler.graph.files import Loader, root_of
from composer.compiler.graph.lower import lowering
from composer.diagnostics import Place, Source
from composer.syntax import Use, parse_sound
from composer.syntax.formatting import notation
from composer.syntax.grammar import lark
from composer.syntax.lexemes import Lexeme, lexemes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from composer.compiler.graph.scope import Binding, Scope
    from composer.syntax import File

WIDE = "\uffff"
"""Characters beyond this one take two units of UTF-16."""


def _one(_letter: str) -> int:
    return 1


SIZES: dict[str, Callable[[str], int]] = {
    "utf-8": lambda letter: len(letter.encode()),
    "utf-16": lambda letter: 2 if letter > WIDE else 1,
}
"""How many units of an encoding a character takes; in utf-32 each takes one."""


@dataclass(frozen=True, eq=False)
class Buffer:
    """A text and where it would lie. Line breaks are plain, as in a file that was read."""

    path: Path
    text: str = field(repr=False)

    @cached_property
    def source(self) -> Source:
        """The text under its file's name."""
        plain = self.text.replace("\r\n", "\n").replace("\r", "\n")
        return Source(str(self.path), plain)

    @cached_property
    def lexemes(self) -> tuple[Lexeme, ...]:
        """Everything that the text is made of but spaces, whether it can be read or not.

        Of YAML, only the words.
        """
        if self.is_yaml:
            names = ((each[0], Place(self.source, *each.span())) for each in self._words)
            return tuple(Lexeme("NAME", text, place) for text, place in names)
        return tuple(lexemes(lark(), self.source))

    @property
    def is_yaml(self) -> bool:
        """Whether the recipe is written in YAML."""
        return notation(self.path.name) == "yaml"

    @cached_property
    def file(self) -> File:
        """The statements that can be parsed."""
        return parse_sound(self.source)[0]

    @cached_property
    def context(self) -> Context:
        """What reads the values of options, and finds files."""
        return Context(Loader(root_of(self.path.parent)), lowering)

    @cached_property
    def scope(self) -> Scope:
        """The names of the sound statements, and what they stand for."""
        loader = self.context.loader
        loader.hold(self.path, self.file)
        return loader.scope(self.path)

    @property
    def _words(self) -> Iterator[re.Match[str]]:
        return re.finditer(r"[A-Za-z_]\w*", self.source.text)

    def imported(self, offset: int) -> Binding | None:
        """Return what an offset inside the brackets of a `use` names."""
        for statement in self.file.statements:
            if isinstance(statement, Use) and covers(statement.place, offset):
                for name, alias, place in statement.names:
                    if covers(place, offset):
                        return self.scope.names.get(alias or name)
        return None

    def used(self, offset: int) -> Use | None:
        """Return the `use` statement whose file's name is at an offset."""
        uses = (each for each in self.file.statements if isinstance(each, Use))
        return next((each for each in uses if covers(each.file_place, offset)), None)

    def offset(self, line: int, character: int, encoding: str = "utf-16") -> int:
        """Return the offset of a position as editors count: from 0, in units of an encoding."""
        starts, size = self.source.starts, SIZES.get(encoding, _one)
        if line >= len(starts):
            return len(self.source.text)
        at, end = starts[line], starts[line] + len(self.source.line(line + 1))
        while at < end and character > 0:
            character -= size(self.source.text[at])
            at += 1
        return at


def position(source: Source, offset: int, encoding: str = "utf-16") -> tuple[int, int]:
    """Return the line and the character of an offset as editors count."""
    line, column = source.position(offset)
    size = SIZES.get(encoding, _one)
    start = source.starts[line - 1]
    return line - 1, sum(size(letter) for letter in source.text[start : start + column - 1])


def covers(place: Place, offset: int) -> bool:
    """Say whether an offset is in a place, or right behind it."""
    return place.start <= offset <= place.end

"""Where a cursor stands: on which word, in which statement, inside which brackets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.editor.around import Opened, opened, parameters, statement_after, statement_before
from composer.syntax.lexemes import STATEMENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.editor.buffer import Buffer
    from composer.syntax.lexemes import Lexeme

QUOTED = {"STRING": 1, "OPEN_STRING": 1, "TEMPLATE": 3, "OPEN_TEMPLATE": 3}
"""The kinds of quoted lexemes, and how many quotes each begins with."""

SPACES = ("NEWLINE", "COMMENT")


@dataclass(frozen=True, slots=True)
class Cursor:
    """What is around an offset. `word` is what it touches, `before` the statement so far."""

    offset: int
    word: Lexeme | None
    before: tuple[Lexeme, ...]
    after: tuple[Lexeme, ...]
    opened: tuple[Opened, ...]

    @property
    def head(self) -> str:
        """The kind of the word that the statement begins with, if that is a reserved one."""
        first = self.before[0].type if self.before else ""
        return first if first in STATEMENTS else ""

    @property
    def previous(self) -> str:
        """The kind of the lexeme before the word, or nothing where a statement begins."""
        return self.before[-1].type if self.before else ""

    @property
    def following(self) -> str:
        """The kind of the lexeme behind the word."""
        return self.after[0].type if self.after else ""

    @property
    def inner(self) -> Opened | None:
        """The innermost bracket around the cursor."""
        return self.opened[-1] if self.opened else None

    @property
    def quoted(self) -> str | None:
        """What a text holds up to the cursor, None outside of texts."""
        word = self.word
        if word is None or word.type not in QUOTED:
            return None
        quotes = QUOTED[word.type]
        return word.text[quotes : self.offset - word.place.start]

    @property
    def partial(self) -> str:
        """What is written of the word up to the cursor."""
        if self.word is None or not self.word.text[:1].isidentifier():
            return ""
        return self.word.text[: self.offset - self.word.place.start]

    @property
    def names_option(self) -> bool:
        """Whether the word is the name of an option: followed by `=`, right behind `(` or `,`."""
        call = self.inner is not None and not self.inner.bank
        return call and self.following == "EQUAL" and self.previous in ("LPAR", "COMMA")

    @property
    def in_parameters(self) -> bool:
        """Whether the cursor is in the brackets behind the name of a `def`."""
        outer = self.opened[0].function if self.opened else None
        return self.head == "DEF" and outer is not None and outer is self.before[1]

    @property
    def parameters(self) -> dict[str, Lexeme]:
        """The parameters of the `def` that the cursor is in."""
        if self.head != "DEF":
            return {}
        whole = [*self.before, *([self.word] if self.word else []), *self.after]
        return {each.text: each for each in parameters(whole)}


def cursor(buffer: Buffer, offset: int) -> Cursor:
    """Find out where an offset stands."""
    lexemes = [each for each in buffer.lexemes if each.type != "COMMENT"]
    at = _touched(lexemes, offset)
    word = lexemes[at] if at is not None else None
    split = word.place.start if word else offset
    before = statement_before(
        [each for each in lexemes if each.place.end <= split and each is not word]
    )
    after = [each for each in lexemes if each.place.start >= split and each is not word]
    rest = tuple(each for each in after[: statement_after(after)] if each.type not in SPACES)
    return Cursor(offset, word, before, rest, tuple(opened(before, rest, word)))


def in_comment(buffer: Buffer, offset: int) -> bool:
    """Say whether an offset is inside a comment."""
    return any(
        each.type == "COMMENT" and each.place.start < offset <= each.place.end
        for each in buffer.lexemes
    )


def _touched(lexemes: Sequence[Lexeme], offset: int) -> int | None:
    """Find the word or the text at an offset; one that ends there counts too."""
    for at, each in enumerate(lexemes):
        start, end = each.place.start, each.place.end
        if each.type in QUOTED:
            closed = not each.type.startswith("OPEN_")
            if start < offset < end or (offset == end and not closed):
                return at
        elif start <= offset <= end and each.text[:1].isidentifier():
            return at
    return None

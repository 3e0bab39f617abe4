"""Words as people write them, in a text that is still being written.

Spaces part words, and punctuation stays with its word: "don't", "3.14," and "-" are words. Each Han
or Hiragana character is a word, and each run of Katakana, with the punctuation around it. In Thai,
Lao, Khmer and Burmese, which have no spaces between words, what stands between two spaces counts as
one. Spaces and line breaks belong to the word behind them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import regex

from composer.engine.sessions.graphemes import is_between_graphemes

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Word", "words"]

_ALONE = r"[\p{Han}\p{Hiragana}]"
_KATAKANA = r"[\p{Katakana}\u30fc]"
_OPEN = r"[\p{Ps}\p{Pi}]"
_CLOSE = r"[\p{M}\p{P}\p{S}--[\p{Ps}\p{Pi}]]"
_EAST_ASIAN = rf"(?:{_ALONE}|{_KATAKANA}++)"
_LETTER = r"[^\s\p{Han}\p{Hiragana}\p{Katakana}\u30fc\p{Ps}\p{Pi}]"
_OTHER = rf"(?:{_LETTER}|{_OPEN}++(?!{_EAST_ASIAN}))"

_WORD = regex.compile(
    rf"\s*+(?P<word>{_OPEN}*+{_EAST_ASIAN}{_CLOSE}*+|{_OTHER}++)(?P<space>\s*+)", regex.VERSION1
)


@dataclass(frozen=True, slots=True)
class Word:
    """A whole word, its place in the text, the space behind it, and what follows that.

    `then` is a character; it is empty where the text has nothing more yet.
    """

    text: str
    start: int
    end: int
    space: str
    then: str

    @property
    def ends_line(self) -> bool:
        """Whether a line break follows."""
        return "\n" in self.space


def words(text: str) -> Iterator[Word]:
    """Yield the words of a text that have ended, by what follows them."""
    start = 0
    for found in _WORD.finditer(text):
        end = found.end("word")
        if end < len(text) and is_between_graphemes(text, end):
            behind = found.end()
            yield Word(
                text[start:end].strip(), start, end, found["space"], text[behind : behind + 1]
            )
            start = end

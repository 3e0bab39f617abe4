"""Where a span ends: after some words, tokens or sentences, or at punctuation."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, ClassVar

import regex
from pydantic import Field

from composer.engine.sessions.span_parts import Boundary
from composer.methods.spans.words import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.engine.sessions.span_parts import SpanText
    from composer.methods.spans.words import Word

__all__ = ["Boundary", "Punctuation", "Sentence", "Tokens", "Words"]

_TERMINATOR = regex.compile(
    r"[.!?\u2026\u3002\uff01\uff1f\uff0e\u061f\u0964][\p{Pe}\p{Pf}\"'*_`]*$"
)
_NUMBER = regex.compile(r"\d+[.)]")
_INITIAL = regex.compile(r"(?:\p{Lu}|Mr|Mrs|Ms|Dr|Prof|St)\.")
_MARK = regex.compile(r"(?V1)[\p{P}--[\p{Ps}\p{Pi}\p{Pc}]]$")


class Words(Boundary):
    """A span is `n` whole words, each with the space before it.

    Words are those of `composer.methods.spans.words`: in Chinese and Japanese without spaces.
    """

    name: ClassVar[str] = "words"
    paper: ClassVar[str] = "arXiv:2409.18583"

    n: int = Field(default=1, ge=1)

    def end(self, span: SpanText) -> int | None:
        """Return where the last of `n` words ends."""
        last = next(islice(words(span.text), self.n - 1, None), None)
        return None if last is None else last.end


class Tokens(Boundary):
    """A span is `n` tokens of the member that writes it, and more to end with a whole character.

    With `whole_words` it ends where the last word of these tokens does, if a word ends in them.
    """

    name: ClassVar[str] = "tokens"
    paper: ClassVar[str] = "arXiv:2412.07380"
    reads_tokens: ClassVar[bool] = True

    n: int = Field(default=10, ge=1)
    whole_words: bool = False

    @property
    def most_tokens(self) -> int | None:
        """As many as are wanted; a character that is not whole then is completed or left out."""
        return None if self.whole_words else self.n

    def end(self, span: SpanText) -> int | None:
        """Return where the next token begins that does so with a character, or a word ended."""
        limit = next((start for start in span.starts[self.n :] if start is not None), None)
        if limit is None or not self.whole_words:
            return limit
        return max((word.end for word in words(span.text) if word.end <= limit), default=limit)


class Sentence(Boundary):
    """A span is `n` sentences; a line break ends one too.

    A sentence ends with a word that ends in a full stop or the like, before anything but a small
    letter. The stop of a single capital letter, of a title such as "Dr.", and of a number that
    begins the sentence ("1. Wash the pan") ends none.
    """

    name: ClassVar[str] = "sentence"

    n: int = Field(default=1, ge=1)

    def end(self, span: SpanText) -> int | None:
        """Return where the last of `n` sentences ends."""
        ends = islice(_sentence_ends(span.text), self.n - 1, None)
        return next(ends, None)


class Punctuation(Boundary):
    """A span goes up to the next word that ends with a punctuation mark, or to the line's end."""

    name: ClassVar[str] = "punctuation"

    def end(self, span: SpanText) -> int | None:
        """Return where the first such word ends; points and commas in numbers end none."""
        ends = (word.end for word in words(span.text) if word.ends_line or _MARK.search(word.text))
        return next(ends, None)


def _sentence_ends(text: str) -> Iterator[int]:
    begins = True
    for word in words(text):
        begins = _ends_sentence(word, begins=begins)
        if begins:
            yield word.end


def _ends_sentence(word: Word, *, begins: bool) -> bool:
    """Whether a sentence ends with a word; `begins` says that it is the sentence's first one."""
    if word.ends_line:
        return True
    if not _TERMINATOR.search(word.text) or not word.then or word.then.islower():
        return False
    return not (_INITIAL.fullmatch(word.text) or (begins and _NUMBER.fullmatch(word.text)))

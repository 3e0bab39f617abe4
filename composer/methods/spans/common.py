"""Where a span ends that all members can write in tokens of their own."""

from __future__ import annotations

from itertools import accumulate, islice
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.engine.sessions.span_parts import Boundary
from composer.methods.spans.words import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from composer.engine.sessions.span_parts import SpanText, Splitter

__all__ = ["Common"]


class Common(Boundary):
    """A span is `n` of the shortest pieces at whose end a token of every member ends.

    Where members have other tokenizers than the writer, these split the words that it has
    finished: how a tokenizer splits a word is known only when the word has ended. Such a tokenizer
    is assumed to join no two words in one token.
    """

    name: ClassVar[str] = "common"
    paper: ClassVar[str] = "arXiv:2407.19807"
    reads_tokens: ClassVar[bool] = True
    reads_tokenizers: ClassVar[bool] = True

    n: int = Field(default=1, ge=1)

    def end(self, span: SpanText) -> int | None:
        """Return where the last of `n` pieces ends."""
        return next(islice(_common_ends(span), self.n - 1, None), None)


def _common_ends(span: SpanText) -> Iterator[int]:
    """Yield the places in a text where the tokens of all members end."""
    own = (start for start in span.starts if start)
    others = [each for each in span.others if each.writes(span.bytes_to(len(span.text)))]
    if not others:
        return own
    done = max((word.end for word in words(span.text)), default=0)
    known = span.bytes_to(done)
    common = set.intersection(*(_token_ends(each, known) for each in others)) if done else set()
    return (start for start in own if len(span.bytes_to(start)) in common)


def _token_ends(tokenizer: Splitter, text: bytes) -> set[int]:
    """Return after how many bytes of a text a token of a tokenizer ends."""
    return set(accumulate(len(tokenizer.piece(token)) for token in tokenizer.extend(text)))

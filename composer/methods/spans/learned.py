"""Where a span ends by a small classifier, fitted on answers whose words all members have read."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import regex
from pydantic import Field

from composer.engine.sessions.span_parts import Boundary
from composer.methods.fitted import FittedPart, shaped
from composer.methods.spans.adaptive import margin_at
from composer.methods.spans.words import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.engine.sessions.span_parts import SpanText
    from composer.methods.spans.words import Word

__all__ = ["FEATURES", "LearnedBoundary", "features"]

FEATURES = ("margin", "words", "sentence", "mark", "digit", "line")
"""What the classifier reads where a word ends; see `features`."""

_STOP = regex.compile(r"[.!?\u3002\uff01\uff1f]\W*$")
_MARK = regex.compile(r"\p{P}$")


class LearnedBoundary(Boundary, FittedPart):
    """A span ends after a word behind which another member is likely to write better.

    A logistic classifier says how likely that is, by how sure the writer is and what the word ends
    with. `compose fit` fits it on references: the label is whether, behind a word of a reference,
    another member finds the next word at least twice as likely as the member that found this word
    likeliest. The span ends where the probability is at least `above`, or after `most` words.
    """

    name: ClassVar[str] = "learned_boundary"
    reads_tokens: ClassVar[bool] = True
    reads_margins: ClassVar[bool] = True

    above: float = Field(default=0.5, gt=0, lt=1)
    most: int = Field(default=8, ge=1)

    @cached_property
    def coefficients(self) -> list[float]:
        """One for each feature, and the constant."""
        numbers: list[float] = shaped(self.state(), "w", len(FEATURES) + 1).tolist()
        return numbers

    def end(self, span: SpanText) -> int | None:
        """Return where the first such word ends."""
        for count, word in enumerate(words(span.text), 1):
            if count == self.most or self._chance(span, word, count) >= self.above:
                return word.end
        return None

    def _chance(self, span: SpanText, word: Word, count: int) -> float:
        inputs = (*features(word, count, margin_at(self, span, word.end)), 1.0)
        score = sum(a * b for a, b in zip(self.coefficients, inputs, strict=True))
        return 1 / (1 + math.exp(-score)) if score > 0 else math.exp(score) / (1 + math.exp(score))


def features(word: Word, count: int, margin: float) -> Sequence[float]:
    """Return what the classifier reads behind a word, the `count`-th of its span.

    `margin` is how much likelier the likeliest next token is than the second one.
    """
    return (
        margin,
        math.log(count),
        float(bool(_STOP.search(word.text))),
        float(bool(_MARK.search(word.text))),
        float(word.text[-1:].isdigit()),
        float(word.ends_line),
    )

"""Where a span ends that is as long as its writer is sure."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.engine.sessions.span_parts import Boundary
from composer.methods.spans.words import words
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from composer.engine.sessions.span_parts import SpanText

__all__ = ["Margin", "margin_at"]


class Margin(Boundary):
    """A span ends after a word behind which its writer is unsure, or after `most` words.

    A writer is unsure where its likeliest token is less than `below` likelier than the next one
    (AdaFuse). Inside a token it is never unsure.
    """

    name: ClassVar[str] = "margin"
    paper: ClassVar[str] = "arXiv:2601.06022"
    reads_tokens: ClassVar[bool] = True
    reads_margins: ClassVar[bool] = True

    below: float = Field(default=0.7, gt=0, le=1)
    most: int = Field(default=3, ge=1)

    def end(self, span: SpanText) -> int | None:
        """Return where the first such word ends."""
        for count, word in enumerate(words(span.text), 1):
            if count == self.most or margin_at(self, span, word.end) < self.below:
                return word.end
        return None


def margin_at(boundary: Boundary, span: SpanText, place: int) -> float:
    """Return how sure the writer was of the token that begins at a place; 1 inside a token.

    Raises ModelError (E302) where that is not known.
    """
    if place not in span.starts:
        return 1.0
    margin = span.margins[span.starts.index(place)]
    if margin is None:
        raise ModelError(
            "E302",
            f"`{boundary.name}` reads how sure a member was, which one of them does not tell",
            "write `span = words(3)`, or declare local models",
        )
    return margin

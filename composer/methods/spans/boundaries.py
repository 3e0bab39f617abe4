"""Where a span ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.engine.sessions.span_parts import Boundary

if TYPE_CHECKING:
    from composer.engine.sessions.span_parts import SpanText

__all__ = ["Boundary", "Words"]


class Words(Boundary):
    """A span is `n` whole words, each with the space before it."""

    name: ClassVar[str] = "words"
    paper: ClassVar[str] = "arXiv:2407.19807"

    n: int = Field(default=1, ge=1)

    def end(self, span: SpanText) -> int | None:
        """Return where a word begins after `n` words."""
        for at, character in enumerate(span.text):
            if character.isspace() and len(span.text[:at].split()) >= self.n:
                return at
        return None

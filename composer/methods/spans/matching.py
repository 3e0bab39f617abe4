"""Where a span ends by a regular expression."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import field_validator

from composer.engine.sessions.span_parts import Boundary
from composer.methods.patterns import matches_of, readable_pattern

if TYPE_CHECKING:
    from composer.engine.sessions.span_parts import SpanText

__all__ = ["MatchedBoundary"]


class MatchedBoundary(Boundary):
    r"""A span ends behind the first match of a regular expression: `pattern("\n\n|;")`.

    A match counts when something stands behind it, since more text could make it longer.
    """

    name: ClassVar[str] = "pattern"

    regex: str

    @field_validator("regex")
    @classmethod
    def _compiles(cls, regex: str) -> str:
        return readable_pattern(regex)

    def end(self, span: SpanText) -> int | None:
        """Return where the first match ends that is not empty; raises E702 if that takes long."""
        ends = (match.end() for match in matches_of(self.regex, span.text) if match.group())
        end = next(ends, None)
        return end if end is not None and end < len(span.text) else None

"""With which tokens a member begins spans, where it is unsure."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.engine.sessions.span_parts import Branching, margin_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.values.details import LikelyToken, TokenChoice

__all__ = ["Branches"]


class Branches(Branching):
    """Where a member is unsure of the first token, it proposes a span from each of the likeliest.

    It is unsure where its likeliest token is less than `below` likelier than the next one
    (AdaFuse); then the `width` likeliest tokens begin one span each.
    """

    name: ClassVar[str] = "branches"
    paper: ClassVar[str] = "arXiv:2601.06022"

    width: int = Field(default=3, ge=2, le=20)
    below: float = Field(default=0.7, gt=0, le=1)

    @property
    def top(self) -> int:
        """As many as it begins spans with."""
        return self.width

    def firsts(self, choice: TokenChoice) -> Sequence[LikelyToken]:
        """Return the likeliest tokens where the margin is too small, else none."""
        margin = margin_of(choice)
        return choice.top[: self.width] if margin is not None and margin < self.below else ()

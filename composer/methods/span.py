"""Where a span ends, for fuses that choose between members piece by piece."""

from typing import ClassVar

from pydantic import Field

from composer.values import Typed


class Boundary(Typed):
    """Where a span ends. Finding it in a text is the fusion core's work."""


class Words(Boundary):
    """A span is `n` whole words."""

    name: ClassVar[str] = "words"
    paper: ClassVar[str] = "arXiv:2407.19807"

    n: int = Field(default=1, ge=1)

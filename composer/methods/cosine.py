"""Answers compared by their embeddings: how near their meanings are."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import Field

from composer.methods.agreement import Agreement
from composer.methods.estimators.embeddings import Embedding, Static

_HALF = 0.5


class Cosine(Agreement):
    """The cosine of two answers' embeddings, 0 if it is negative.

    With `half`, the agreement is cosine^(ln 0.5 / ln half), so that a cosine of `half` gives one
    half. A count takes answers as the same from there on. Raise it if answers of one topic differ
    in what they say.
    """

    name: ClassVar[str] = "cosine"
    paper: ClassVar[str] = "arXiv:1908.10084"

    of: Embedding = Static()
    half: float = Field(default=_HALF, gt=0, lt=1)

    def same(self, left: str, right: str) -> float:
        """Return the cosine, raised to the power that `half` asks for; equal texts give 1."""
        if left == right:
            return 1.0
        first, second = self.of.text_vectors([left, right])
        cosine = min(max(float(first @ second), 0.0), 1.0)
        return float(cosine ** (math.log(_HALF) / math.log(self.half)))

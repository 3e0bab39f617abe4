"""Answers compared by their vectors: embeddings, or weighted terms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from composer.methods.agreements.base import SAME, Agreement, Matrix
from composer.methods.estimators.embeddings import Embedding, Static
from composer.methods.estimators.features import Tfidf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.estimators.values import Floats


class Cosine(Agreement):
    """The cosine of two answers' embeddings, 0 if it is negative.

    With `half`, the agreement is cosine^(ln 0.5 / ln half), so that a cosine of `half` gives one
    half. A count takes answers as the same from there on. Raise it if answers of one topic differ
    in what they say.
    """

    name: ClassVar[str] = "cosine"
    paper: ClassVar[str] = "arXiv:1908.10084"

    of: Embedding = Static()
    half: float = Field(default=SAME, gt=0, lt=1)

    def same(self, left: str, right: str) -> float:
        """Return the cosine, raised to the power that `half` asks for; equal texts give 1."""
        return self.matrix((left, right))[0][1]

    def matrix(self, texts: Sequence[str]) -> Matrix:
        """Return the same for all pairs; all texts are encoded in one batch."""
        vectors = self.of.text_vectors(texts)
        return _matrix(texts, (vectors @ vectors.T).clip(0.0, 1.0) ** power_of(self.half))


class Terms(Agreement):
    """The cosine of two answers' TF-IDF vectors, fitted on the candidates of the query.

    A term that all candidates have says little about which of them are alike. `words` is the
    longest run of words that counts as a term, `chars` the longest run of letters inside a word.
    """

    name: ClassVar[str] = "tfidf"

    words: int = Field(default=1, ge=0, le=5)
    chars: int = Field(default=0, ge=0, le=8)

    def same(self, left: str, right: str) -> float:
        """Return the cosine, fitted on these two texts alone."""
        return self.matrix((left, right))[0][1]

    def matrix(self, texts: Sequence[str]) -> Matrix:
        """Return the cosine of each pair; 1 for equal texts, 0 beside a text without terms."""
        features = Tfidf(words=self.words, chars=self.chars)
        _, vectors = features.embed([(text.lower(), ()) for text in texts])
        return _matrix(texts, (vectors @ vectors.T).toarray().clip(0.0, 1.0))


def power_of(half: float) -> float:
    """Return p for which half^p is one half, from which on answers are the same."""
    return math.log(SAME) / math.log(half)


def _matrix(texts: Sequence[str], cosines: Floats) -> Matrix:
    """Return the cosine of each pair of texts; 1 for equal texts, whatever rounding says."""
    return tuple(
        tuple(
            1.0 if left == right else float(cosine)
            for right, cosine in zip(texts, row, strict=True)
        )
        for left, row in zip(texts, cosines, strict=True)
    )

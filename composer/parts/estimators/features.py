"""How a query's text becomes a vector that estimators compare."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from composer.ports import Typed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Vectors = Any
"""A sparse matrix of one row a text, each of length 1 (or 0 for a text without known terms)."""

_SHORTEST = 2


class Features(Typed):
    """How texts become vectors."""

    @abstractmethod
    def fit(self, texts: Sequence[str]) -> tuple[Callable[[Sequence[str]], Vectors], Vectors]:
        """Learn from texts. Return the function from texts to vectors, and the texts' own."""


class Tfidf(Features):
    """TF-IDF of n-grams: tf = 1 + ln count, idf = 1 + ln((1 + N) / (1 + df)), length 1.

    `words` is the longest run of words that counts as a term, `chars` the longest run of letters
    inside a word (from 2 on); 0 leaves that kind out. With both, each weighs one half.
    """

    name: ClassVar[str] = "tfidf"

    words: int = Field(default=2, ge=0, le=5)
    chars: int = Field(default=0, ge=0, le=8)

    @model_validator(mode="after")
    def _some(self) -> Tfidf:
        if not self.words and self.chars < _SHORTEST:
            raise ValueError("there must be terms: `words` of 1 or more, or `chars` of 2 or more")
        return self

    def fit(self, texts: Sequence[str]) -> tuple[Callable[[Sequence[str]], Vectors], Vectors]:
        """Fit one vectorizer for each kind of term."""
        import numpy as np
        from scipy import sparse

        kinds = self._vectorizers()
        scale = np.float32(1 / math.sqrt(len(kinds)))

        def vectors(some: Sequence[str]) -> Vectors:
            parts = [kind.transform(some) for kind in kinds]
            return parts[0] if len(parts) == 1 else sparse.hstack(parts, format="csr") * scale

        for kind in kinds:
            kind.fit(texts)
        return vectors, vectors(texts)

    def _vectorizers(self) -> list[Any]:
        import numpy as np
        from sklearn.feature_extraction.text import TfidfVectorizer

        def make(analyzer: str, shortest: int, longest: int) -> Any:  # noqa: ANN401 - untyped
            return TfidfVectorizer(
                analyzer=analyzer,
                ngram_range=(shortest, longest),
                token_pattern=r"\b\w+\b" if analyzer == "word" else None,
                sublinear_tf=True,
                dtype=np.float32,
            )

        words = [make("word", 1, self.words)] if self.words else []
        chars = [make("char_wb", _SHORTEST, self.chars)] if self.chars >= _SHORTEST else []
        return words + chars

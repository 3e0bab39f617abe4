"""How a query becomes a vector that estimators compare."""

from __future__ import annotations

import math
from abc import abstractmethod
from itertools import chain
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from pydantic import Field, model_validator

from composer.heavy import np, scipy, sklearn
from composer.methods.estimators.terms import Places
from composer.values import State, Typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer

    from composer.methods.estimators.values import Asked, Floats

    Vectors: TypeAlias = csr_matrix
    """A sparse matrix (float32) of one row a query."""

_SHORTEST = 2
_FULL = 0.5


class Features(Typed):
    """How queries become vectors; `quick` says that one query takes no more than a millisecond."""

    quick: ClassVar[bool] = False

    @abstractmethod
    def fit(self, queries: Sequence[Asked]) -> State:
        """Learn from queries what `vectors` needs, such as the terms that count."""

    @abstractmethod
    def vectors(self, state: State, queries: Sequence[Asked]) -> Vectors:
        """Return the vectors of queries, one a row."""

    def embed(self, queries: Sequence[Asked]) -> tuple[State, Vectors]:
        """Return what `fit` and then `vectors` of the same queries would."""
        state = self.fit(queries)
        return state, self.vectors(state, queries)


class Tfidf(Features):
    """TF-IDF of n-grams: tf = 1 + ln count, idf = 1 + ln((1 + N) / (1 + df)), length 1.

    `words` is the longest run of words that counts as a term, `chars` the longest run of letters
    inside a word (from 2 on); 0 leaves that kind out. With both, each weighs one half.
    """

    name: ClassVar[str] = "tfidf"
    quick: ClassVar[bool] = True

    words: int = Field(default=2, ge=0, le=5)
    chars: int = Field(default=0, ge=0, le=8)

    @model_validator(mode="after")
    def _some(self) -> Tfidf:
        if not self.words and self.chars < _SHORTEST:
            raise ValueError("`words` must be 1 or more, or `chars` 2 or more")
        return self

    def fit(self, queries: Sequence[Asked]) -> State:
        """Keep the terms of each kind, in alphabetical order, and their idf."""
        return self.embed(queries)[0]

    def embed(self, queries: Sequence[Asked]) -> tuple[State, Vectors]:
        """Fit and weigh in one pass over the texts."""
        texts = [text for text, _ in queries]
        states = {kind: _terms(kind, at, texts) for kind, at in self._kinds()}
        state = State.join(**{kind: each for kind, (each, _) in states.items()})
        return state, _weighed([vectors for _, vectors in states.values()])

    def vectors(self, state: State, queries: Sequence[Asked]) -> Vectors:
        """Return vectors of length 1 each (0 for a text without known terms)."""
        texts = [text for text, _ in queries]
        return _weighed([_weigh(kind, at, state.part(kind), texts) for kind, at in self._kinds()])

    def _kinds(self) -> list[tuple[str, tuple[int, int]]]:
        words = [("words", (1, self.words))] if self.words else []
        chars = [("chars", (_SHORTEST, self.chars))] if self.chars >= _SHORTEST else []
        return words + chars


_SPLIT = "\n"
"""What stands between terms where they are kept: no term holds it."""


def _terms(kind: str, runs: tuple[int, int], texts: Sequence[str]) -> tuple[State, Vectors]:
    vectorizer = _vectorizer(kind, runs)
    try:
        vectors = vectorizer.fit_transform(texts)
    except ValueError:  # no text has a term
        state = State({"terms": np.zeros(0, np.uint8), "idf": np.zeros(0, np.float32)})
        return state, _weigh(kind, runs, state, texts)
    joined = _SPLIT.join(vectorizer.get_feature_names_out()).encode()
    state = State({"terms": np.frombuffer(joined, np.uint8), "idf": vectorizer.idf_})
    return state, vectors


def _weighed(parts: Sequence[Vectors]) -> Vectors:
    """Put kinds of terms side by side, so that the whole has length 1."""
    if len(parts) == 1:
        return parts[0]
    return _beside(parts) * np.float32(1 / math.sqrt(len(parts)))


def _weigh(kind: str, runs: tuple[int, int], state: State, texts: Sequence[str]) -> Vectors:
    if not len(state.arrays["idf"]):
        return scipy.sparse.csr_matrix((len(texts), 0), dtype=np.float32)
    weigher: Weigher = state.live.get("weigher", lambda: Weigher(kind, runs, state))
    return weigher(texts)


class Weigher:
    """Weighs texts by the `terms` and `idf` of a state, quickly where there are few.

    It gives what `transform` of scikit-learn's vectorizer gives, without its checks.
    """

    def __init__(self, kind: str, runs: tuple[int, int], state: State) -> None:
        terms = state.arrays["terms"].tobytes().decode().split(_SPLIT)
        self.size = len(terms)
        self.places = Places(kind, runs, {term: at for at, term in enumerate(terms)})
        self.idf = state.arrays["idf"]

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Return a row of length 1 for each text, 0 where it has no known term."""
        places = [self.places(text) for text in texts]
        sizes = [len(each) for each in places]
        rows = np.repeat(np.arange(len(texts)), sizes)
        columns = np.fromiter(chain.from_iterable(places), np.intp, sum(sizes))
        cells = np.sort(rows * self.size + columns)
        fresh = np.ones(len(cells), bool)
        fresh[1:] = cells[1:] != cells[:-1]
        first = np.flatnonzero(fresh)
        rows = rows[first]
        columns = cells[first] - rows * self.size
        counts = np.bincount(fresh.cumsum(), minlength=1)[1:]
        values = (np.log(counts.astype(np.float32)) + 1) * self.idf[columns]
        starts = np.searchsorted(rows, np.arange(len(texts) + 1))
        lengths = np.sqrt(np.bincount(rows, values * values, len(texts)))
        values = values / np.maximum(lengths, 1e-12).astype(np.float32)[rows]
        parts = (values, columns.astype(np.int32), starts.astype(np.int32))
        return sparse_rows(parts, (len(texts), self.size))


def sparse_rows(
    parts: tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32]], shape: tuple[int, int]
) -> Vectors:
    """Return the matrix of values, their columns and where rows start.

    It is not checked: for one query the checks of scipy take longer than the arithmetic.
    """
    vectors = scipy.sparse.csr_matrix(shape, dtype=np.float32)
    vectors.data, vectors.indices, vectors.indptr = parts
    return vectors


def _vectorizer(kind: str, runs: tuple[int, int]) -> TfidfVectorizer:
    return sklearn.feature_extraction.text.TfidfVectorizer(
        analyzer="word" if kind == "words" else "char_wb",
        ngram_range=runs,
        token_pattern=r"\b\w+\b" if kind == "words" else None,
        sublinear_tf=True,
        dtype=np.float32,
    )


def listed(some: Features | tuple[Features, ...]) -> tuple[Features, ...]:
    """Return what an option of features names as a list, of one where one was given."""
    return some if isinstance(some, tuple) else (some,)


def embed_all(
    some: Features | tuple[Features, ...], queries: Sequence[Asked]
) -> tuple[State, Vectors]:
    """Fit several features. Return their state, and the queries' vectors side by side."""
    states, parts = zip(*(each.embed(queries) for each in listed(some)), strict=True)
    state = State.join(**{f"{at}": each for at, each in enumerate(states)})
    return state, _beside(parts)


def all_vectors(
    some: Features | tuple[Features, ...], state: State, queries: Sequence[Asked]
) -> Vectors:
    """Return the vectors of several features side by side."""
    pairs = enumerate(listed(some))
    return _beside([each.vectors(state.part(f"{at}"), queries) for at, each in pairs])


def _beside(parts: Sequence[Vectors]) -> Vectors:
    return parts[0] if len(parts) == 1 else scipy.sparse.hstack(parts, format="csr")


def packed(vectors: Vectors) -> Vectors | Floats:
    """Return vectors as an array if most of their numbers are not 0: that is read faster."""
    return vectors.toarray() if vectors.nnz > _FULL * math.prod(vectors.shape) else vectors

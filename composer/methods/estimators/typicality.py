"""How typical a query is of the rows that an estimator was fitted on: a rank among held-out rows.

Two measures: the greatest cosine of the query's words with those of any row, and how far the
query's shape lies from the mean of the rows. Rows that were left out show which values are usual.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from composer.heavy import np, scipy
from composer.methods.estimators.shapes import shapes
from composer.methods.estimators.terms import words_in
from composer.values import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from composer.methods.estimators.features import Vectors
    from composer.methods.estimators.values import Asked, Floats

LANDMARKS = 10_000
"""Rows, evenly spaced, that queries are compared with."""

COMMON, MANY = 0.05, 500
"""Words in more than this share of the rows, where there are many, tell no query from another."""

RIDGE = 0.1
"""What is added to the variances of standardised shapes."""

TINY = 1e-12

_AT_ONCE = 512
_TEXTS_AT_ONCE = 32
_ONE_A_WORD = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD_OR_SIGN = re.compile(rf"[{_ONE_A_WORD}]|[^\W{_ONE_A_WORD}]+")
"""A run of letters and digits; one character, in scripts that put no space between words."""


def words_of(text: str) -> frozenset[str]:
    """Return the words of a text, in lower case."""
    if text.isascii():
        return frozenset(words_in(text))
    return frozenset(_WORD_OR_SIGN.findall(text.lower()))


class WordIndex:
    """The words of rows, weighted by log((1 + rows) / (1 + rows with it)), and the rows with each.

    A query's words that no row has count in its length.
    """

    def __init__(self, state: State) -> None:
        arrays = state.arrays
        words = arrays["terms"].tobytes().decode().split("\n") if len(arrays["idf"]) else []
        starts = arrays["indptr"]
        self.known = {word: at for at, word in enumerate(words)}
        self.squares = arrays["idf"].astype(float) ** 2
        self.unknown: float = state.facts["unknown"] ** 2
        self.rows = arrays["indices"].astype(np.intp)
        self.starts, self.counts = starts[:-1].astype(np.intp), np.diff(starts)
        self.scale = 1 / np.maximum(arrays["lengths"], TINY)

    def similarities(self, texts: Sequence[str]) -> Floats:
        """Return the greatest cosine [n] of each text with any row."""
        parts = [
            self._greatest(texts[at : at + _TEXTS_AT_ONCE])
            for at in range(0, len(texts), _TEXTS_AT_ONCE)
        ]
        return np.concatenate([np.zeros(0), *parts])

    def _greatest(self, texts: Sequence[str]) -> Floats:
        words = [words_of(text) for text in texts]
        places = [self._places(each) for each in words]
        sizes = np.array([len(each) for each in places])
        at = np.fromiter(chain.from_iterable(places), np.intp, sizes.sum())
        queries = np.repeat(np.arange(len(texts)), sizes)
        squares, counts = self.squares[at], self.counts[at]
        unknown = np.array([len(each) for each in words]) - sizes
        lengths = np.bincount(queries, squares, len(texts)) + self.unknown * unknown
        ends = np.cumsum(counts)
        cells = np.arange(counts.sum()) + np.repeat(self.starts[at] - (ends - counts), counts)
        total = len(self.scale)
        rows = self.rows[cells] + np.repeat(queries * total, counts)
        shared = np.bincount(rows, np.repeat(squares, counts), len(texts) * total)
        closest = (shared.reshape(len(texts), total) * self.scale).max(1, initial=0)
        greatest: Floats = closest / np.maximum(np.sqrt(lengths), TINY)
        return greatest

    def _places(self, words: frozenset[str]) -> list[int]:
        """Return the places of known words, in order: sums do not depend on the order of a set."""
        return sorted(place for place in map(self.known.get, words) if place is not None)


def index_state(words: Sequence[frozenset[str]]) -> State:
    """Learn the index of the words of rows."""
    vocabulary, counts = count_words(words)
    weights = word_weights(counts, len(words))
    rows = landmarks(counts)
    index = rows.multiply(weights[None] > 0).T.tocsr()
    index.sort_indices()
    index.eliminate_zeros()
    arrays = {
        "terms": np.frombuffer("\n".join(vocabulary).encode(), np.uint8),
        "idf": weights,
        "indices": index.indices.astype(np.int32),
        "indptr": index.indptr.astype(np.int32),
        "lengths": np.sqrt(rows @ weights**2),
    }
    return State(arrays, {"unknown": float(np.log(1 + len(words)))})


def count_words(words: Sequence[frozenset[str]]) -> tuple[list[str], Vectors]:
    """Return all words in order, and which row has which: ones [rows, words]."""
    vocabulary = sorted(frozenset().union(*words))
    at = {word: place for place, word in enumerate(vocabulary)}
    indices = [sorted(at[word] for word in row) for row in words]
    starts = np.cumsum([0, *map(len, indices)])
    places = np.array([place for row in indices for place in row], np.int32)
    parts = (np.ones(len(places), np.float32), places, starts)
    return vocabulary, scipy.sparse.csr_matrix(parts, shape=(len(words), len(vocabulary)))


def word_weights(counts: Vectors, total: int) -> NDArray[np.float32]:
    """Return the weight of each word in some of `total` rows; that of a very common word is 0."""
    rows, having = counts.shape[0], np.asarray(counts.sum(0)).ravel()
    weights: NDArray[np.float32] = np.log((1 + rows) / (1 + having)).astype(np.float32)
    if total >= MANY:
        weights[having > COMMON * rows] = 0
    return weights


def landmarks(counts: Vectors) -> Vectors:
    """Return at most `LANDMARKS` of the rows."""
    rows = counts.shape[0]
    return counts[np.unique(np.linspace(0, rows - 1, min(rows, LANDMARKS)).astype(int))]


def weighted(counts: Vectors, weights: NDArray[np.float32]) -> Vectors:
    """Return rows of weights, each of length 1 (0 where no word has a weight)."""
    vectors = counts.multiply(weights[None]).tocsr()
    length = np.sqrt(np.asarray(vectors.multiply(vectors).sum(1)).ravel())
    scale = scipy.sparse.diags((1 / np.maximum(length, TINY)).astype(np.float32))
    return (scale @ vectors).tocsr()


def nearest(vectors: Vectors, rows: Vectors) -> Floats:
    """Return the greatest product [n] of each row of `vectors` with any of `rows`."""
    index = rows.T.tocsr()
    products = [
        (vectors[at : at + _AT_ONCE] @ index).toarray().max(1, initial=0)
        for at in range(0, vectors.shape[0], _AT_ONCE)
    ]
    return np.concatenate([np.zeros(0, np.float32), *products])


def shape_state(values: Floats) -> State:
    """Learn the mean and the spread of shapes [n, 18], and how they vary together."""
    spread = values.std(0)
    spread = spread + (spread == 0)
    standard = (values - values.mean(0)) / spread
    together = standard.T @ standard / max(len(values), 1)
    precision = np.linalg.inv(together + RIDGE * np.eye(values.shape[1]))
    return State({"centre": values.mean(0), "scale": spread, "precision": precision})


def usualness(state: State, values: Floats) -> Floats:
    """Return minus the squared distance [n] of shapes [n, 18] from the mean, by their spread."""
    arrays = state.arrays
    standard = (values - arrays["centre"]) / arrays["scale"]
    distance: Floats = ((standard @ arrays["precision"]) * standard).sum(1)
    return -distance


def measure(state: State, queries: Sequence[Asked]) -> Floats:
    """Return how close queries are to the rows by words and by shape [n, 2], greater is closer."""
    words = state.part("words")
    index: WordIndex = words.live.get("index", lambda: WordIndex(words))
    similarity = index.similarities([text for text, _ in queries])
    return np.stack([similarity, usualness(state.part("shape"), shapes(queries))], 1)


def held_out_state(measures: Floats) -> State:
    """Keep the measures [n, 2] of held-out rows in order, and what both say together."""
    state = State({"measures": np.sort(measures, 0)})
    return State({**state.arrays, "together": np.sort(_together(state, measures))})


def ranks(state: State, measures: Floats) -> NDArray[np.intp]:
    """Return how many held-out rows are at least as unusual as queries of these measures."""
    together = _together(state, measures, between=0.5)
    rank: NDArray[np.intp] = np.searchsorted(state.arrays["together"], together, side="right")
    return rank


def _together(state: State, measures: Floats, between: float = 0) -> Floats:
    """Return the sum [n] of the logarithms of both p-values (Fisher).

    A held-out row counts itself; a new query lies `between` two of them.
    """
    kept = state.arrays["measures"]
    at = [
        np.searchsorted(kept[:, column], measures[:, column], side="right")
        for column in range(kept.shape[1])
    ]
    total: Floats = np.log((np.stack(at) + between) / (len(kept) + 1)).sum(0)
    return total

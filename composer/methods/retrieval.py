"""Passages of a file, and how well each fits a question: BM25, or the cosine of TF-IDF vectors."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from composer.heavy import np
from composer.methods.mistakes import PartError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Fit", "PassageIndex", "best_passages", "has_words"]

Fit = Literal["bm25", "tfidf"]

K1, B = 1.2, 0.75
"""The usual constants of BM25: how soon a repeated word stops counting, how much length does."""

WORD = r"(?u)\b\w+\b"


def best_passages(path: str, question: str, k: int, by: Fit) -> list[tuple[str, float]]:
    """Return the `k` passages that fit a question best, with scores, none without a shared word.

    A file that ends in `.jsonl` has a passage in the field `text` of each line; any other file has
    passages with empty lines between them.
    """
    status = Path(path).stat()
    index = _index(path, by, (status.st_mtime_ns, status.st_size))
    return [(index.passages[at], score) for at, score in index.best(question, k)]


def has_words(passage: str) -> bool:
    """Say whether a passage has a word, without which it cannot be looked up."""
    return re.search(WORD, passage) is not None


class PassageIndex:
    """How much each word says of each passage."""

    def __init__(self, passages: Sequence[str], by: Fit) -> None:
        from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

        self.passages, self.by = passages, by
        kind = CountVectorizer if by == "bm25" else TfidfVectorizer
        self.words = kind(token_pattern=WORD)
        self.weights = self.words.fit_transform(passages).tocsc()
        if by == "bm25":
            frequencies = np.diff(self.weights.indptr)
            lengths = np.asarray(self.weights.sum(1)).ravel()
            norm = K1 * (1 - B + B * lengths / lengths.mean())
            matrix = self.weights.tocoo()
            matrix.data = matrix.data * (K1 + 1) / (matrix.data + norm[matrix.row])
            idf = np.log1p((len(passages) - frequencies + 0.5) / (frequencies + 0.5))
            self.weights = matrix.tocsr().multiply(idf).tocsr()

    def best(self, question: str, k: int) -> list[tuple[int, float]]:
        """Return the places of the best `k` passages, with scores, none without a shared word."""
        scores = self.scores(question)
        order = sorted(range(len(scores)), key=lambda at: -scores[at])
        return [(at, scores[at]) for at in order[:k] if scores[at] > 0]

    def scores(self, question: str) -> list[float]:
        """Return the score of each passage; with BM25 a word of the question counts once."""
        terms = self.words.transform([question])
        if self.by == "bm25":
            terms.data[:] = 1
        return [float(score) for score in (self.weights @ terms.T).toarray().ravel()]


@lru_cache(maxsize=16)
def _index(path: str, by: Fit, stamp: tuple[int, int]) -> PassageIndex:
    del stamp
    passages = _passages(Path(path))
    if not any(map(has_words, passages)):
        raise PartError(
            "E504",
            f"`{path}` has no passages with words in them",
            "write passages of text, with empty lines between them",
        )
    return PassageIndex(passages, by)


def _passages(path: Path) -> list[str]:
    try:
        content = path.read_text(encoding="utf-8")
        if path.suffix != ".jsonl":
            return [each.strip() for each in re.split(r"\n\s*\n", content) if each.strip()]
        lines = (line for line in content.splitlines() if line.strip())
        return [str(json.loads(line)["text"]) for line in lines]
    except (UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise PartError(
            "E504",
            f"`{path}` is not a file of passages ({type(error).__name__})",
            'give text, or JSON lines such as {"text": "..."}',
        ) from error

"""Small tables of outcomes, and features whose cosines can be worked out by hand."""

import numpy as np
import pytest
from scipy import sparse

from composer.methods import Features
from composer.methods.estimators.values import Labels
from composer.values import State

MATHS = ("add", "sum", "plus", "times", "minus")
TEXT = ("word", "plural", "spell", "past", "letter")


class Letters(Features):
    """One dimension a letter of `abc`, of length 1."""

    def fit(self, queries):
        del queries
        return State()

    def vectors(self, state, queries):
        del state
        counts = [[text.count(letter) for letter in "abc"] for text, _ in queries]
        rows = np.array(counts, np.float32).reshape(len(queries), 3)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return sparse.csr_matrix(rows / np.where(norms, norms, 1))


def make(queries, quality, *, tags=None, cost=None, tokens=None):
    """Return labels of choices A, B, C..."""
    quality = np.array(quality, float)
    unknown = np.full(quality.shape, np.nan)
    return Labels(
        tuple(queries),
        tuple(tuple(each) for each in tags or [()] * len(queries)),
        tuple("ABCDEFGH"[: quality.shape[1]]),
        quality,
        unknown if cost is None else np.array(cost, float),
        unknown if tokens is None else np.array(tokens, float),
        digest="made",
    )


@pytest.fixture
def labels():
    return make


@pytest.fixture
def letters():
    return Letters()


@pytest.fixture(scope="session")
def two_fields():
    """Queries of two kinds: A is right on 9 of 10 about numbers, B on 9 of 10 about words."""
    rng = np.random.default_rng(0)
    queries, quality, tags = [], [], []
    for _ in range(600):
        maths = bool(rng.integers(2))
        words = rng.choice(MATHS if maths else TEXT, 3)
        queries.append(" ".join([*words, f"item{rng.integers(50)}"]))
        chance = (0.9, 0.1) if maths else (0.1, 0.9)
        quality.append([float(rng.random() < each) for each in chance])
        tags.append(("maths",) if maths else ("text",))
    return make(queries, quality, tags=tags)

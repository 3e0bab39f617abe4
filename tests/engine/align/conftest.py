"""Members by hand: a space, a distribution, and tiny models with real embeddings."""

import json
from types import SimpleNamespace

import pytest
import torch

from composer.checkpoints.vocabulary import Vocabulary
from composer.engine.distribution import Distributions, MemberWeight
from composer.engine.parts import Member
from composer.engine.space import Space

CPU = torch.device("cpu")


def bpe(*words):
    """A tokenizer of the letters a to f and of some words, each built from its beginning."""
    from tokenizers import Tokenizer

    tokens, merges = [*"abcdef"], []
    for word in words:
        for n in range(2, len(word) + 1):
            if word[:n] not in tokens:
                tokens.append(word[:n])
                merges.append((word[: n - 1], word[n - 1]))
    model = {"type": "BPE", "vocab": {token: n for n, token in enumerate(tokens)}}
    content = {"version": "1.0", "model": {**model, "merges": merges}, "added_tokens": []}
    content["decoder"] = {"type": "Fuse"}
    return Tokenizer.from_str(json.dumps(content))


@pytest.fixture(scope="session")
def side():
    """A member by its pieces: `side("A", [b"a", None], ends={1}, vectors=...)`."""

    def make(name, pieces, ends=(), vectors=None, words=None):
        model = None
        if vectors is not None or words is not None:
            model = SimpleNamespace(embeddings=lambda _: vectors, vocabulary=words, name=name)
        return Member(name, Space(name, pieces, frozenset(ends)), model)

    return make


@pytest.fixture(scope="session")
def worded(side):
    """A member whose tokens are letters, some words, and an end: `worded("A", "abc")`."""

    def make(name, *words):
        vocabulary = Vocabulary(bpe(*words), name)
        pieces = [*vocabulary.pieces, None]
        return side(name, pieces, ends={len(pieces) - 1}, words=vocabulary)

    return make


@pytest.fixture(scope="session")
def fuse():
    """Combine what members said: `fuse(alignment, [logits, logits], combine)` is a Said."""

    def run(alignment, said, combine, weights=None):
        heard = {
            n: s if isinstance(s, Distributions) else Distributions(s) for n, s in enumerate(said)
        }
        lined = alignment.align(heard)
        given = weights or [1 / len(said)] * len(said)
        return lined.to_entries(
            combine(lined, [MemberWeight([w], CPU, n) for n, w in enumerate(given)])
        )

    return run


def named(space, said, row=0):
    """Probabilities of a row by what its entries stand for, those of 0 left out."""
    p = Distributions(said.scores, said.linear).probabilities()[row].tolist()
    index = range(len(p)) if said.index is None else said.index[row].tolist()
    pairs = [(e, value) for e, value in zip(index, p, strict=True) if e >= 0 and value > 0]
    return {"end" if e in space.ends else space.pieces[e]: value for e, value in pairs}


@pytest.fixture(scope="session")
def by_name():
    return named

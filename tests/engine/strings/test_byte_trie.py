"""The tree of a vocabulary's bytes: against a plain search over all entries."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from composer.checkpoints.vocabulary import Vocabulary
from composer.engine.sessions.prefixes.byte_trie import ByteTrie
from composer.engine.space import Space


def space_of(pieces, ends=()):
    """Return a space of some pieces."""
    return Space("test", pieces, frozenset(ends))


def plain(space, probabilities, text):
    """What may follow a text, by its byte; `whole` has the entries that are the text."""
    masses, whole = {}, []
    for entry, piece in enumerate(space.pieces):
        if piece and entry not in space.ends and piece.startswith(text):
            if len(piece) == len(text):
                whole.append(entry)
            else:
                byte = piece[len(text)]
                masses[byte] = masses.get(byte, 0.0) + probabilities[entry]
    return masses, whole


def hold(trie, space, probabilities, text):
    """Hold what a trie says of a text against a plain search."""
    nodes = trie.path(text)
    masses, whole = plain(space, probabilities, text)
    if len(nodes) <= len(text):
        assert (masses, whole) == ({}, [])
        return
    node = nodes[-1]
    found = node.masses(probabilities[trie.entries])
    assert dict(zip(node.following.tolist(), found.tolist(), strict=True)) == pytest.approx(masses)
    assert sorted(trie.entries[node.low : node.longer].tolist()) == whole
    assert trie.text(node) == text


@given(
    st.lists(st.one_of(st.none(), st.text("abc", max_size=4).map(str.encode)), min_size=1),
    st.sets(st.integers(0, 3)),
)
def test_a_small_vocabulary(pieces, ends):
    space = space_of(pieces, [end for end in ends if end < len(pieces)])
    probabilities = np.random.default_rng(len(pieces)).random(len(pieces))
    trie = ByteTrie(space)
    for size in range(4):
        for text in itertools.product(b"abc", repeat=size):
            hold(trie, space, probabilities, bytes(text))
    assert trie.ends.tolist() == sorted(space.ends)


@pytest.mark.parametrize("name", ["gpt2", "llama2"])
def test_a_real_vocabulary(data, name):
    tokenizer = Tokenizer.from_file(str(data / "tokenizers" / name / "tokenizer.json"))
    space = space_of(Vocabulary(tokenizer).pieces)
    probabilities = np.random.default_rng(0).random(len(space))
    trie = ByteTrie(space)
    for text in (b"", b"T", b"Th", b" the", "\u4f60".encode()[:2], b"\xff", b"0123456789"):
        hold(trie, space, probabilities, text)

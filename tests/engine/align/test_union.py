import random
import time

import pytest
import torch
from fusing import MEAN, aligning

from composer.checkpoints.vocabulary import Vocabulary
from composer.engine.space import Space, lay
from composer.methods.align.distance import nearest
from composer.methods.align.pivot import onto, unwritable
from composer.methods.align.union import united

union, mean = aligning("union"), MEAN.combine


CPU = torch.device("cpu")


def spaces(seed):
    """Two spaces with duplicates, entries without bytes, and several ends."""
    chance = random.Random(seed)
    for name in "AB":
        pieces = [chance.choice([None, *(bytes([n]) for n in range(97, 123))]) for _ in range(40)]
        ends = frozenset(chance.sample(range(40), chance.randrange(3)))
        yield Space(name, [None if e in ends else p for e, p in enumerate(pieces)], ends)


@pytest.mark.parametrize("seed", range(8))
def test_a_map_says_what_each_entry_means(seed):
    whole, maps = united(list(spaces(seed)))
    (end,) = whole.ends
    for space, lies in zip(spaces(seed), maps, strict=True):
        taken = lies.take.tolist()
        for own, piece in enumerate(space.pieces):
            means = lies.give[own].item()
            if own in space.ends:
                assert means == end
            elif piece is None:
                assert means == len(whole)
            else:
                assert whole.pieces[means] == piece
        for entry, own in enumerate(taken):
            if own < 0:
                assert whole.pieces[entry] not in space.ids
            else:
                assert lies.give[own] == entry
        also = [tuple(pair) for pairs in lies.also for pair in pairs.tolist()]
        for pairs in lies.also:
            assert len(set(pairs[:, 0].tolist())) == len(pairs)
        written = {own for own in taken if own >= 0} | {own for _, own in also}
        assert written == {own for own, e in enumerate(lies.give.tolist()) if e < len(whole)}
        assert all(lies.give[own] == entry for entry, own in also)


def test_a_piece_is_written_with_the_token_that_is_chosen():
    space = Space("A", [b"a", b"b", b"a", None], frozenset({3}), chosen={b"a": 2, b"b": 9})
    assert space.ids == {b"a": 2, b"b": 1}
    lies = lay(space, {b"a": 0, b"b": 1}, 2, 3)
    assert lies.take.tolist() == [2, 1, 3]
    assert [pairs.tolist() for pairs in lies.also] == [[[0, 0]]]


def test_bytes_that_a_member_lacks_are_in_no_union(side, fuse, by_name):
    one = Space("A", [b"a", b"\xff", b"b\xff", None], frozenset({3}))
    two = Space("B", [b"a", b"c", None], frozenset({2}), lacking=frozenset({0xFF}))
    whole, maps = united([one, two])
    assert list(whole.pieces) == [b"a", b"c", None]
    assert whole.lacking == {0xFF}
    assert maps[0].give.tolist() == [0, 3, 3, 2]
    sides = side("A", one.pieces, {3}), side("B", two.pieces, {2})
    sides = tuple(type(s)(s.name, space, None) for s, space in zip(sides, (one, two), strict=True))
    said = torch.tensor([[0.1, 0.7, 0.1, 0.1]]).log(), torch.tensor([[0.5, 0.3, 0.2]]).log()
    made = union(sides, CPU)
    found = by_name(made.space, fuse(made, said, mean))
    assert found == pytest.approx({b"a": 0.6 / 1.2, b"c": 0.3 / 1.2, "end": 0.3 / 1.2})


def test_the_first_space_for_all():
    one = Space("A", [b"a", b"\xff", None, b"c", None], frozenset({2, 4}))
    two = Space("B", [b"c", b"d", None, b"c"], frozenset({2}), lacking=frozenset({0xFF}))
    whole, (same, lies) = onto([one, two])
    assert whole.pieces is one.pieces
    assert whole.ends == one.ends
    assert unwritable(whole).tolist() == [1]
    assert same.take.tolist() == same.give.tolist() == [0, 1, 2, 3, 4]
    assert lies.take.tolist() == [-1, -1, 2, 0, -1]
    assert lies.give.tolist() == [3, 5, 2, 3]


@pytest.fixture(scope="module")
def large(data):
    """The spaces of two vocabularies of about 150,000 tokens."""
    from tokenizers import Tokenizer

    def space(name):
        path = data / "tokenizers" / name / "tokenizer.json"
        own = Vocabulary(Tokenizer.from_file(str(path)), name)
        return Space(own.fingerprint, own.pieces, frozenset(), own.lone, own.ids, own.lacking)

    return [space("qwen2"), space("llama3")]


@pytest.mark.slow
def test_large_vocabularies_are_aligned_in_seconds(large):
    start = time.process_time()
    whole, _ = united(large)
    assert time.process_time() - start < 3  # about .3 on an idle machine
    assert len(whole) == 151_643 + 128_000 - 109_566 + 1
    start = time.process_time()
    found = nearest(list(large[0].ids), list(large[1].ids))
    assert time.process_time() - start < 20  # about 2
    assert len(found) == 151_643

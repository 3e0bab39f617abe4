import pickle
import random

import numpy as np
import pytest
import torch
from fusing import LOGS, MEAN, aligning

from composer.methods.align import distance, table_cache
from composer.methods.align.distance import levenshtein, nearest
from composer.methods.align.tables import TableAlignment
from composer.values import ModelError

edits, mean, logs = aligning("edits"), MEAN.combine, LOGS.combine


CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def plain(one, two):
    """Levenshtein's distance, in the textbook's words."""
    row = list(range(len(two) + 1))
    for n, a in enumerate(one):
        new = [n + 1]
        for m, b in enumerate(two):
            new.append(min(new[m] + 1, row[m + 1] + 1, row[m] + (a != b)))
        row = new
    return row[-1]


def strings(count, letters, longest, seed):
    chance = random.Random(seed)
    found = {
        bytes(chance.choices(letters, k=chance.randrange(1, longest))) for _ in range(3 * count)
    }
    return sorted(found)[:count]


def test_distances_equal_the_textbooks():
    one, two = strings(60, b"abc", 9, 1), [b"", *strings(60, b"abcd", 7, 2)]
    left, right = (each.ravel() for each in np.indices((len(one), len(two))))
    found = levenshtein(one, two, left, right).reshape(len(one), len(two))
    assert found.tolist() == [[plain(a, b) for b in two] for a in one]


def test_the_nearest_of_few_is_the_first_of_the_nearest():
    asked, known = strings(80, b"abcdef", 7, 3), strings(50, b"abcdef", 7, 4)
    random.Random(0).shuffle(known)
    for piece, place in zip(asked, nearest(asked, known).tolist(), strict=True):
        apart = [plain(piece, other) for other in known]
        assert place == apart.index(min(apart))


def test_of_many_what_is_one_edit_apart_is_found_for_certain(monkeypatch):
    monkeypatch.setattr(distance, "_ALL", 0)
    asked, known = strings(400, b"abcdefgh", 9, 5), strings(2000, b"abcdefgh", 9, 6)
    found = nearest(asked, known)
    every = np.arange(len(known))
    apart = [levenshtein([piece], known, 0 * every, every) for piece in asked]
    got = np.array([edits[n] for edits, n in zip(apart, found, strict=True)])
    least = np.array([edits.min() for edits in apart])
    assert (got == least)[least <= 1].all()
    assert 0.8 < (got == least).mean() < 1
    assert (least == 1).mean() > 0.1


@pytest.fixture
def pair(side):
    one = side("A", [b"cat", b"dog", b"x", None, None], ends={3})
    return one, side("B", [b"dogs", b"cat", None, None, b"y"], ends={2, 3})


def test_logits_are_read_at_the_nearest_by_hand(pair, fuse):
    said = (
        torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.0]]).log(),
        torch.tensor([[0.1, 0.2, 0.3, 0.15, 0.25]]).log(),
    )
    made = edits(pair, CPU)
    # cat = cat, dog ~ dogs, x ~ y, both ends of B for the one of A, nothing for A's other token
    theirs = [0.2, 0.1, 0.25, 0.45, 0.0]
    found = fuse(made, said, mean)
    assert found.scores[0].tolist() == pytest.approx(
        [(a + b) / 2 for a, b in zip([0.1, 0.2, 0.3, 0.4, 0.0], theirs, strict=True)]
    )
    even = [0.1 * 0.2, 0.2 * 0.1, 0.3 * 0.25, 0.4 * 0.45, 0.0]
    found = fuse(made, said, logs, [1.0, 1.0]).probabilities()
    assert found[0].tolist() == pytest.approx([p / sum(even) for p in even])
    assert [lies.take.tolist() for lies in made.maps] == [[0, 1, 2, 3, 4], [1, -1, -1, 2, -1]]


def test_equals_the_plain_algorithm_on_random_words(side, fuse):
    one, two = strings(40, b"abcd", 6, 7), strings(40, b"abcd", 6, 8)
    sides = side("A", [*one, None], ends={40}), side("B", [*two, None], ends={40})
    torch.manual_seed(1)
    said = torch.randn(3, 41), torch.randn(3, 41)
    near = [min(range(40), key=lambda n, piece=piece: plain(piece, two[n])) for piece in one]
    expected = (said[0].softmax(-1) + said[1][:, [*near, 40]].softmax(-1)) / 2
    assert torch.allclose(fuse(edits(sides, CPU), said, mean).scores, expected, atol=1e-6)


def test_bytes_that_a_member_lacks_are_ruled_out(side, fuse):
    from dataclasses import replace

    one = side("A", [b"a", b"\xff", None], ends={2})
    two = side("B", [b"a", b"b", None], ends={2})
    two = replace(two, space=replace(two.space, lacking=frozenset({0xFF})))
    found = fuse(edits((one, two), CPU), [torch.zeros(1, 3), torch.zeros(1, 3)], mean)
    assert found.scores[0, 1] == 0
    assert found.scores[0, 0] > 0


def test_one_vocabulary_needs_no_edits(pair):
    assert isinstance(edits((pair[0], pair[0]), CPU), TableAlignment)


def test_a_vocabulary_without_bytes_is_named(pair, side):
    with pytest.raises(ModelError, match="A and Mute have no tokens that can be compared") as told:
        edits((pair[0], side("Mute", [None, None], ends={0})), CPU)
    assert told.value.code == "E305"


def counted(calls):
    def make():
        calls.append(1)
        return torch.arange(5)

    return make


def test_a_table_is_made_once(tmp_path):
    calls = []
    tables = [table_cache.cached_table("some", ("a", "b"), counted(calls)) for _ in range(3)]
    assert len(calls) == 1
    assert all(table.tolist() == [0, 1, 2, 3, 4] for table in tables)
    table_cache.cached_table("some", ("a", "c"), counted(calls))
    table_cache.cached_table("other", ("a", "b"), counted(calls))
    assert len(calls) == 3
    assert len(list(tmp_path.rglob("*.safetensors"))) == 3


@pytest.mark.parametrize("damage", [b"", b"\0" * 64, pickle.dumps([1]), "cut", "flip"])
def test_a_damaged_table_is_made_anew(tmp_path, damage):
    calls = []
    table_cache.cached_table("some", ("a",), counted(calls))
    (file,) = tmp_path.rglob("*.safetensors")
    whole = file.read_bytes()
    flipped = whole[:-1] + bytes([whole[-1] ^ 1])
    file.write_bytes({"cut": whole[:-3], "flip": flipped}.get(damage, damage))
    assert table_cache.cached_table("some", ("a",), counted(calls)).tolist() == [0, 1, 2, 3, 4]
    assert len(calls) == 2
    assert file.read_bytes() == whole


def test_where_nothing_can_be_written_nothing_is_kept(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    calls = []
    for _ in range(2):
        assert len(table_cache.cached_table("some", ("a",), counted(calls))) == 5
    assert len(calls) == 2

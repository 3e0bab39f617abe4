import math

import pytest
import torch
from fusing import LOGS, MEAN, aligning

from composer.engine.distribution import Distributions
from composer.methods.align.likeliest import Top, distinct

topk, mean, logs = aligning("topk"), MEAN.combine, LOGS.combine


CPU = torch.device("cpu")


def logits(side, **probabilities):
    """Logits of a member: log-probabilities by name, all others equally unlikely."""
    pieces = side.space.pieces
    row = torch.full((1, len(pieces)), -20.0)
    for name, p in probabilities.items():
        piece = None if name == "end" else name.encode()
        row[0, pieces.index(piece)] = math.log(p)
    return row


@pytest.fixture
def pair(worded):
    return worded("A", "abc", "de"), worded("B", "ab", "dea")


def test_probabilities_of_the_candidates_by_hand(pair, fuse, by_name):
    one, two = pair
    said = [
        logits(one, ab=0.6, a=0.2, c=0.1, de=0.1),
        logits(two, d=0.5, ab=0.25, e=0.15, end=0.1),
    ]
    made = topk(pair, CPU, k=2)
    found = by_name(made.space, fuse(made, said, mean))
    # candidates ab, a, d; B gives a nothing to speak of, A gives d nothing
    assert found == pytest.approx(
        {b"ab": (0.6 / 0.8 + 0.25 / 0.75) / 2, b"a": 0.2 / 0.8 / 2, b"d": 0.5 / 0.75 / 2}, abs=1e-6
    )
    plain = topk(pair, CPU, k=2, renormalize=False)
    found = by_name(plain.space, fuse(plain, said, mean))
    total = 0.6 + 0.25 + 0.2 + 0.5
    assert found == pytest.approx(
        {b"ab": 0.85 / total, b"a": 0.2 / total, b"d": 0.5 / total}, abs=1e-6
    )


def test_a_candidate_of_several_tokens_is_read_at_the_first(worded, fuse, by_name):
    one, two = worded("A", "abc"), worded("B", "de")
    said = [logits(one, abc=0.9, f=0.1), logits(two, a=0.7, de=0.3)]
    found = by_name(*_fused(topk((one, two), CPU, k=1), said, fuse))
    # candidates abc and a: B reads abc at a, which stands for a already
    assert found[b"abc"] == pytest.approx(0.5, abs=1e-6)
    kept = by_name(*_fused(topk((one, two), CPU, k=1, duplicates="keep"), said, fuse))
    assert kept[b"abc"] == pytest.approx(0.75, abs=1e-6)
    zero = by_name(*_fused(topk((one, two), CPU, k=1, duplicates="zero"), said, fuse))
    assert zero[b"abc"] == pytest.approx((1 + 1 / 1.7) / 2, abs=1e-6)


def _fused(made, said, fuse):
    return made.space, fuse(made, said, mean)


def test_ends_of_all_members_are_one(side, fuse, by_name):
    one = side("A", [b"a", None, None], ends={1, 2})
    two = side("B", [b"a", b"b", None], ends={2})
    said = [torch.tensor([[0.4, 0.35, 0.25]]).log(), torch.tensor([[0.3, 0.3, 0.4]]).log()]
    found = by_name(*_fused(topk((one, two), CPU, k=2, renormalize=False), said, fuse))
    assert found["end"] == pytest.approx((0.6 + 0.4) / (0.6 + 0.4 + 0.4 + 0.3), abs=1e-6)


def reference(sides, said, k, duplicates, order):
    """UniTE as its code has it, with dictionaries, one row; single tokens before first ones."""
    tables = []
    for side, row in zip(sides, said, strict=True):
        best = row.topk(k).indices.tolist()
        tables.append({side.space.pieces[t]: (row[t].item(), t) for t in best})
    names = sorted(set().union(*tables), key=order.__getitem__)
    averages = dict.fromkeys(names, 0.0)
    for side, row, table in zip(sides, said, tables, strict=True):
        ids = side.space.ids
        for name in [n for n in names if n not in table and n in ids]:
            table[name] = (row[ids[name]].item(), ids[name])
        used = {t for _, t in table.values()}
        for name in [n for n in names if n not in table]:
            first = side.model.vocabulary.extend(name)[0]
            value = row[first].item()
            if first in used and duplicates != "keep":
                value = 0.0 if duplicates == "zero" else -math.inf
            table[name] = (value, first)
            used.add(first)
        p = torch.tensor([table[n][0] for n in names]).softmax(0)
        for name, value in zip(names, p.tolist(), strict=True):
            averages[name] += value / len(sides)
    return averages


@pytest.mark.parametrize("duplicates", ["drop", "zero", "keep"])
def test_equals_the_reference_on_random_rows(worded, fuse, by_name, duplicates):
    sides = (worded("A", "abcd", "dea", "bb"), worded("B", "abd", "cc", "def"), worded("C", "fa"))
    made = topk(sides, CPU, k=4, duplicates=duplicates)
    torch.manual_seed(5)
    widths = [len(side.space) for side in sides]
    said = [
        torch.randn(40, width).where(torch.arange(width) < width - 1, -50.0) for width in widths
    ]
    fused = fuse(made, said, mean)
    order = {piece: e for e, piece in enumerate(made.space.pieces)}
    for row in range(40):
        expected = reference(sides, [s[row] for s in said], 4, duplicates, order)
        found = by_name(made.space, fused, row)
        assert found == pytest.approx({n: p for n, p in expected.items() if p > 0}, abs=1e-5)


def test_rows_do_not_depend_on_their_neighbours(pair, fuse, by_name):
    made = topk(pair, CPU, k=3)
    said = [torch.randn(5, len(side.space)) for side in pair]
    whole = fuse(made, said, logs)
    for row in range(5):
        alone = fuse(made, [s[row : row + 1] for s in said], logs)
        assert by_name(made.space, whole, row) == pytest.approx(by_name(made.space, alone))


def test_a_member_that_is_a_fuse_has_probabilities(pair, fuse, by_name):
    made = topk(pair, CPU, k=3)
    said = [torch.randn(2, len(side.space)) for side in pair]
    linear = [Distributions(said[0].softmax(-1), linear=True), Distributions(said[1])]
    one, two = fuse(made, said, mean), fuse(made, linear, mean)
    assert by_name(made.space, one) == pytest.approx(by_name(made.space, two), abs=1e-6)


def test_the_likeliest_are_found_in_chunks():
    torch.manual_seed(0)
    for width, count in [(40, 5), (1000, 7), (5000, 20), (3, 10)]:
        scores = torch.randn(4, width)
        counts = torch.rand(width) > 0.01
        counts[0] = True
        expected = scores.masked_fill(~counts, -torch.inf).topk(min(count, width)).values
        found = scores.gather(1, Top(counts, count)(scores)).masked_fill(
            expected.isneginf(), -torch.inf
        )
        assert torch.equal(found, expected)


def test_distinct_entries_stand_once():
    entries = torch.tensor([[3, 1, 3, 9], [0, 0, 2, 1]])
    assert distinct(entries, 9).tolist() == [[1, 3, -1, -1], [0, -1, 1, 2]]

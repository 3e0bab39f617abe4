"""What a student learns: how tokens match, how teachers become one, how a target moves."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.engine.space import Space
from composer.methods.distillation.blends import AverageTeacher, LeastTeacher
from composer.methods.distillation.gradual import Gradual
from composer.methods.distillation.matches import Counts, Exact, NearestTokens, OneToOne
from composer.methods.distillation.warping import align_pairs, warp


def space(*pieces, end=None):
    ends = frozenset(() if end is None else (end,))
    return Space("/".join(map(str, pieces)), list(pieces), ends)


def test_warping_puts_parts_beside_the_whole():
    """`un|happy` beside `unhappy`: both parts go with the whole."""
    assert warp([b"un", b"happy", b" day"], [b"unhappy", b" day"]) == [[0], [0], [1]]
    assert warp([b"unhappy", b" day"], [b"un", b"happy", b" day"]) == [[0, 1], [2]]


def test_warping_disregards_spaces_before_tokens():
    assert warp([b" the", b" cat"], [b"the", b"cat"]) == [[0], [1]]


def test_pairing_leaves_out_what_has_no_counterpart():
    assert align_pairs([b"a", b"bcd", b"e"], [b"a", b"e"]) == [0, -1, 1]
    assert align_pairs([b"a", b"e"], [b"a", b"bcd", b"e"]) == [0, 2]


CUTS = st.lists(st.integers(1, 4), min_size=1, max_size=12)


def cut(text, sizes):
    pieces, at = [], 0
    while at < len(text):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(text[at : at + size])
        at += size
    return pieces


@settings(deadline=None, max_examples=30)
@given(st.binary(min_size=1, max_size=24), CUTS, CUTS)
def test_partners_are_in_order_and_whole(text, first, second):
    first, second = cut(text, first), cut(text, second)
    partners = warp(first, second)
    flat = [n for each in partners for n in each]
    assert flat == sorted(flat)
    assert set(flat) == set(range(len(second)))
    assert all(partners)
    pairs = [n for n in align_pairs(first, second) if n >= 0]
    assert pairs == sorted(set(pairs))


@settings(deadline=None, max_examples=20)
@given(st.binary(min_size=1, max_size=24), CUTS)
def test_equal_tokens_match_themselves(text, sizes):
    pieces = cut(text, sizes)
    wanted = [[n] for n in range(len(pieces))]
    assert Exact().places(pieces, pieces) == wanted
    assert OneToOne().places(pieces, pieces) == wanted


def test_exact_matches_only_the_same_bytes_in_the_same_place():
    match = Exact()
    assert match.places([b"ab", b"c"], [b"a", b"bc"]) == [[], []]
    assert match.places([b" a", b"bc", b"d"], [b"a", b"bc", b"d"]) == [[], [1], [2]]
    table = match.vocabulary(space(b"a", b"bc"), space(b"bc", b"x", None), {})
    assert table.tolist() == [1, -1, -1]


def test_edits_take_the_nearest_token(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    match = NearestTokens()
    student, teacher = (
        space(b"cat", b"house", b"!"),
        space(b"cats", b"mouse", b"house", None, end=3),
    )
    assert match.vocabulary(student, teacher, {}).tolist() == [0, 1, 1, -1]
    assert match.places([b"unhappy"], [b"un", b"happy"]) == [[]]
    assert match.accepts(b"cat", b"cats", b"cat")
    assert not match.accepts(b"cat", b"mouse", b"house")


def test_counts_take_what_tokens_went_with_most_often():
    student, teacher = space(b"a", b"b", b"ab"), space(b"a", b"xy")
    pairs = {(1, 1): 2, (1, 2): 3, (0, 1): 9}
    assert Counts().vocabulary(student, teacher, pairs).tolist() == [0, 2]


def test_of_equally_frequent_tokens_the_nearest_is_taken():
    student, teacher = space(b"ab", b"xz"), space(b"xy")
    assert Counts().vocabulary(student, teacher, {(0, 0): 1, (0, 1): 1}).tolist() == [1]


NATS = torch.tensor([[1.0, 3.0], [2.0, 1.0]])
PRESENT = torch.tensor([[True, True], [True, True]])


def test_the_teacher_that_lost_least_is_taken():
    assert LeastTeacher().shares(NATS, PRESENT).tolist() == [[0, 0], [1, 1]]
    assert LeastTeacher(by="token").shares(NATS, PRESENT).tolist() == [[1, 0], [0, 1]]


def test_teachers_weigh_by_their_cross_entropy():
    """Means of 2 and 1.5 nats: weights e^-2 and e^-1.5, divided by their sum."""
    shares = AverageTeacher().shares(NATS, PRESENT)
    first = math.exp(-2) / (math.exp(-2) + math.exp(-1.5))
    assert shares[:, 0].tolist() == pytest.approx([first, 1 - first])
    by_token = AverageTeacher(by="token").shares(NATS, PRESENT)
    assert by_token[:, 1].tolist() == pytest.approx([1 / (1 + math.exp(2)), 1 / (1 + math.exp(-2))])


@pytest.mark.parametrize("blend", [LeastTeacher(), AverageTeacher(), AverageTeacher(by="token")])
def test_who_is_not_there_has_no_share(blend):
    present = torch.tensor([[True, False], [False, False]])
    assert blend.shares(NATS, present).tolist() == [[1, 0], [0, 0]]


def test_a_target_moves_with_the_steps_and_with_the_fall_of_the_loss():
    """TAID by hand: start 0.4, a fall from 2 to 1 with momentum 0.5 and rate 0.1."""
    moving = Gradual(start=0.4, rate=0.1, momentum=0.5)
    first = moving.move(moving.begin(), 2.0, 0.0)
    assert first.part == pytest.approx(0.4 + 0.1 * 0.5 * 0.6)
    second = moving.move(first, 1.0, 0.0)
    trend = 0.5 * 0.5
    further = 0.1 / (1 + math.exp(-trend)) * (1 - first.part)
    assert (second.trend, second.part) == pytest.approx((trend, first.part + further))
    assert moving.move(second, 1.0, 0.9).part == pytest.approx(0.94)
    assert moving.move(second, 1.0, 1.0).part == 1.0

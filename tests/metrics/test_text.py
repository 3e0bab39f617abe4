"""How much two texts agree, on cases worked by hand and against published definitions."""

import itertools
import math
import random
import time

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from composer.metrics import (
    bleu,
    bleu_matrix,
    chrf,
    contains,
    edit_distance,
    exact,
    normalised,
    numeric,
    rouge_l,
    similarity,
    token_f1,
)

MAT = "the cat sat on the mat"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("  Paris. ", "paris"),
        ('"The  Beatles"', "the beatles"),
        ("(B)", "b"),
        ("**42**", "42"),
        ("-5", "-5"),
        (".5", ".5"),
        ("(4, 1)", "(4, 1)"),
        ("[1]", "[1]"),
        ("...", "..."),
        ("", ""),
        ("ﬁne", "fine"),
        ("STRASSE", "strasse"),
    ],
)
def test_answers_are_written_in_one_way(text, written):
    assert normalised(text) == written


@given(st.text())
def test_writing_twice_changes_nothing_for_words(text):
    assert exact(text, f"  {text}\n")


@pytest.mark.parametrize(("left", "right"), [("5", "-5"), ("3.14", "314"), ("a", "b")])
def test_different_answers_stay_different(left, right):
    assert not exact(left, right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("1,000", "1000"),
        ("$5", "5"),
        ("42.0", "42"),
        ("so x = 3.\n#### 18", "18.0"),
        ("\u22127", "-7"),
        ("yes.", "Yes"),
    ],
)
def test_equal_numbers_are_equal(left, right):
    assert numeric(left, right)


@pytest.mark.parametrize(("left", "right"), [("18", "19"), ("none", "18"), ("18", "none")])
def test_unequal_numbers_are_not(left, right):
    assert not numeric(left, right)


def test_tolerance_is_relative():
    assert numeric("1000001", "1000000", tolerance=1e-5)
    assert not numeric("1.1", "1.0", tolerance=1e-5)


@pytest.mark.parametrize(
    ("text", "reference", "inside"),
    [
        ("It was Paris, of course", "paris", True),
        ("A parish", "paris", False),
        ("She has $1,000 left over", "1000", True),
        ("She has 1000.5", "1000", False),
        ("C++ is it", "C++", True),
    ],
)
def test_a_reference_is_found_as_whole_words(text, reference, inside):
    assert contains(text, reference) is inside


def test_bleu_of_equal_texts_is_one():
    assert bleu(MAT, MAT) == pytest.approx(1)


def test_bleu_worked_by_hand_with_one_order_smoothed():
    expected = (5 / 6 * 3 / 5 * 1 / 4 * (0.5 / 3)) ** 0.25

    assert bleu("the cat is on the mat", MAT) == pytest.approx(expected)


def test_bleu_clips_repeats_and_halves_each_missing_order():
    expected = (2 / 7 * (0.5 / 6) * (0.25 / 5) * (0.125 / 4)) ** 0.25

    assert bleu("the " * 7, MAT) == pytest.approx(expected)


def test_bleu_of_the_example_in_the_paper():
    ours = (
        "It is a guide to action which ensures that the military always obeys "
        "the commands of the party"
    )
    theirs = (
        "It is a guide to action that ensures that the military will forever heed Party commands"
    )

    assert bleu(ours, theirs) == pytest.approx(0.41180376356915777)


def test_bleu_of_a_short_text_leaves_out_long_orders():
    assert bleu("a", "a b") == pytest.approx(math.exp(-1))


@pytest.mark.parametrize(("text", "reference"), [("", "a"), ("a", ""), ("b", "a")])
def test_bleu_without_a_common_token_is_zero(text, reference):
    assert bleu(text, reference) == 0


@given(st.text(alphabet="ab c.", max_size=40), st.text(alphabet="ab c.", max_size=40))
def test_bleu_is_that_of_sacrebleu(text, reference):
    assert bleu(text, reference) == sacrebleu.sentence_bleu(text, [reference]).score / 100
    assert bleu_matrix([text, reference])[0] == (bleu(text, text), bleu(text, reference))


def test_all_pairs_take_less_than_sacrebleu_takes_for_half_of_them():
    rng = random.Random(0)
    words = [f"w{at}" for at in range(400)]
    texts = [" ".join(rng.choices(words, k=200)) for _ in range(20)]
    began = time.thread_time()
    rows = bleu_matrix(texts)
    ours = time.thread_time() - began
    for i, j in itertools.combinations(range(20), 2):
        assert sacrebleu.sentence_bleu(texts[i], [texts[j]]).score / 100 == rows[i][j]
    assert ours < time.thread_time() - began - ours


def test_chrf_is_that_of_sacrebleu():
    assert chrf("the cat sits", MAT) == sacrebleu.sentence_chrf("the cat sits", [MAT]).score / 100
    assert chrf(MAT, MAT) == 1


def test_rouge_l_of_the_example_in_the_paper():
    assert rouge_l("police kill the gunman", "police killed the gunman") == pytest.approx(0.75)
    assert rouge_l("the gunman kill police", "police killed the gunman") == pytest.approx(0.5)


def test_rouge_l_is_an_f_measure():
    assert rouge_l("the cat", MAT) == pytest.approx(2 * 2 / (2 + 6))


def test_token_f1_drops_articles_and_counts_repeats():
    assert token_f1("the cat cat", "a cat sat") == pytest.approx(2 * 1 / (2 + 2))
    assert token_f1("The", "a") == 1


@pytest.mark.parametrize(
    ("left", "right", "edits"),
    [("kitten", "sitting", 3), ("", "abc", 3), ("flaw", "lawn", 2), ("same", "same", 0)],
)
def test_edit_distances_worked_by_hand(left, right, edits):
    assert edit_distance(left, right) == edits


def test_similarity_is_a_share_of_the_longer_text():
    assert similarity("kitten", "sitting") == pytest.approx(1 - 3 / 7)
    assert similarity("", "") == 1


@given(st.text(max_size=12), st.text(max_size=12))
def test_similarities_lie_between_zero_and_one_and_are_symmetric(left, right):
    for measure in (similarity, token_f1, rouge_l):
        assert 0 <= measure(left, right) <= 1
        assert measure(left, right) == pytest.approx(measure(right, left))
    assert 0 <= bleu(left, right) <= 1 + 1e-12

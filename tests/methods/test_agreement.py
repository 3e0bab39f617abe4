import pytest

from composer.methods import F1, Bleu, Edits, Exact, Numeric, Rouge
from composer.methods.agreements.base import Comparison
from composer.methods.agreements.cosine import Terms
from composer.methods.agreements.overlap import Chrf


def test_exact_overlooks_case_spacing_and_stops():
    assert Exact().same(" Paris.", "paris") == 1.0
    assert Exact().same("Paris", "London") == 0.0


def test_exact_answers_share_a_key():
    assert Exact().key("(B)") == Exact().key("b.")
    assert Exact().key("-5") != Exact().key("5")


def test_exact_numbers_are_compared_by_value():
    assert Exact().same("1,000", "1000.0") == 1.0
    assert Exact().same("1/2", "0.5") == 1.0
    assert Exact().same("50%", "0.5") == 0.0
    assert Exact().same("007", "7") == 0.0


def test_equal_numbers_share_a_key_without_tolerance():
    exact = Numeric(tolerance=0)
    assert exact.key("it is 1,000.0") == exact.key("$1000")
    assert exact.same("2/3", "0.6667") == 0.0
    assert Numeric(tolerance=1e-3).same("2/3", "0.6667") == 1.0


def test_numeric_compares_the_last_numbers():
    assert Numeric().same("it is 1,000", "$1000.00") == 1.0
    assert Numeric().same("3.14", "3.15") == 0.0
    assert Numeric(tolerance=0.01).same("3.14", "3.15") == 1.0


def test_numeric_without_numbers_compares_words():
    assert Numeric().same("none", "None.") == 1.0
    assert Numeric().same("none", "0") == 0.0


def test_a_tolerance_is_no_equivalence():
    assert Numeric().key("3.14") is None


def test_bleu_takes_the_second_text_as_the_reference():
    assert Bleu().same("the cat sat on the mat", "The cat sat on the mat") == pytest.approx(1.0)
    assert Bleu().same("the cat", "the cat sat on the mat") < Bleu().same("a cat sat on", "the cat")


def test_rouge_is_the_longest_common_subsequence():
    assert Rouge().same("a b c d", "a c d e") == pytest.approx(2 * 3 / 8)


def test_f1_counts_shared_words():
    assert F1().same("the red house", "red old house") == pytest.approx(2 * 2 / 5)


def test_edits_are_counted_by_letters():
    assert Edits().same("kitten", "sitting") == pytest.approx(1 - 3 / 7)


def test_chrf_compares_letters():
    assert 0 < Chrf().same("colour", "color") < 1
    assert Chrf().same("xyz", "abc") == 0


def test_terms_that_all_candidates_have_say_little():
    texts = ("the answer is red apple", "the answer is red pear", "the answer is blue plum")
    rows = Terms().matrix(texts)
    assert rows[0][1] > rows[0][2] > 0
    assert rows[0][0] == 1
    assert Terms().matrix(("", "a b")) == ((1, 0), (0, 1))


def test_a_medoid_by_bleu_compares_all_pairs_at_once():
    texts = ["the cat sat on the mat", "The cat sat on a mat", "dogs bark"]
    compared = Comparison(Bleu(), texts)
    pairs = [(i, j) for i in range(3) for j in range(3)]
    assert [compared.same(i, j) for i, j in pairs] == pytest.approx(
        [Bleu().same(texts[i], texts[j]) for i, j in pairs]
    )


@pytest.mark.parametrize(
    "by", [Exact(), Numeric(), Bleu(), Chrf(), Rouge(), F1(), Edits(), Terms()]
)
def test_nothing_breaks_on_empty_texts(by):
    assert by.same("", "abc 1") == 0.0

"""Votes with optimal weights: from labels, and from agreement alone."""

import math

import numpy as np
import pytest
from answer_tables import drawn, fitted, row_of, shares, table_of

from composer.methods import Exact, PartError
from composer.methods.reductions.log_odds import LogOdds, Surprising
from composer.methods.reductions.one_coin import MOST_CHOICES, codes_of, one_coin
from composer.methods.selecting import comparisons
from composer.values.errors import ModelError

ROWS = [["a", "a", "b"], ["a", "b", "b"], ["a", "a", None], ["a", ..., "c"]]
RIGHT = ["a", "a", "a", "a"]


@pytest.fixture(scope="module")
def pool():
    """A strong member among three weak ones."""
    return drawn((0.9, 0.6, 0.6, 0.55), 4, 4000)


def weights(part):
    return part.fitted.state.arrays["weights"]


def test_weights_from_labels_by_hand():
    part = fitted(LogOdds(choices=5), table_of(ROWS, RIGHT))
    # A is right 4 times of 4, B 2 of 3 that it was there for, C 0 of 3 that it answered.
    x = [5 / 6, 3 / 5, 1 / 5]
    assert weights(part) == pytest.approx([math.log(4 * q / (1 - q)) for q in x])
    assert weights(part)[2] == pytest.approx(0)
    assert dict(shares(part, ["x", "y", "y"]).why)["weights"] == pytest.approx(
        {"A": math.log(20), "B": math.log(6), "C": 0}
    )


def test_the_sum_of_the_weights_decides():
    part = fitted(LogOdds(choices=5), table_of(ROWS, RIGHT))
    found = shares(part, ["x", "y", "y"])
    assert found.leaders() == ((0,),)
    assert found.masses[0] == pytest.approx(math.log(20) / math.log(120))


def test_no_weight_is_negative():
    part = fitted(LogOdds(choices=2), table_of([["a", "b"]] * 9, ["a"] * 9))
    assert weights(part)[1] == 0


def test_members_without_any_weight_tie():
    part = fitted(LogOdds(choices=2), table_of([["x", "b"]] * 9, ["a"] * 9))
    assert shares(part, ["x", "y"]).leaders() == ((0,), (1,))


def test_abstentions_and_missing_members_do_not_vote():
    part = fitted(LogOdds(choices=5), table_of(ROWS, RIGHT))
    assert shares(part, [None, "y", ...]).shares == (0.0, 1.0)


def test_a_member_without_a_fit_is_named():
    part = fitted(LogOdds(choices=5), table_of(ROWS, RIGHT))
    with pytest.raises(ModelError, match=r"now there is Z"):
        shares(part, ["x", "y"], names=("A", "Z"))


def test_what_is_chosen_has_the_greatest_value():
    part = fitted(LogOdds(choices=5), table_of(ROWS, RIGHT))
    row = row_of(["x", "y", None])
    (comparison,) = comparisons(table_of([["x", "y", None]]), Exact())
    values = part.values(row.candidates, comparison)
    assert values[0] > values[1] > values[2] == -math.inf


def test_the_number_of_choices_is_found_without_labels(pool):
    for choices, table in ((4, pool), (2, drawn((0.9, 0.8, 0.7, 0.6), 2, 4000))):
        codes = codes_of(table, comparisons(table, Exact()))
        assert one_coin(codes).choices == pytest.approx(choices, abs=0.3)


def test_choices_are_no_count_of_the_answers_seen():
    agreed = [["a"] * 7] * 50
    scattered = [list("abcdefg")] + [["a", "a", "a", "a", "a", "b", "b"]] * 5
    codes = codes_of(table := table_of(agreed + scattered), comparisons(table, Exact()))
    assert one_coin(codes).choices < 7
    codes = codes_of(table := table_of([*agreed, list("aaaabcd")]), comparisons(table, Exact()))
    assert one_coin(codes).choices == MOST_CHOICES


@pytest.mark.parametrize("source", ["agreement", "surprising"])
def test_accuracy_is_found_from_agreement_alone(pool, source):
    part = fitted(LogOdds(source=source, choices=4), pool)
    found = part.fitted.state.arrays["accuracy"]
    order = np.argsort(found)[::-1].tolist()
    assert order[0] == 0
    assert order[-1] == 3
    if source == "agreement":
        assert found == pytest.approx([0.9, 0.6, 0.6, 0.55], abs=0.04)
    assert not part.labelled


def test_surprising_weights_by_hand():
    # A and B agree always, C with each half of the time: (4/2 - 1) / 3 = 1/3 above chance.
    table = table_of([["a", "a", "a"], ["a", "a", "b"]])
    assert weights(fitted(Surprising(choices=4), table)) == pytest.approx([5 / 3, 5 / 3, 4 / 3])
    assert weights(fitted(Surprising(choices=4, k=-1), table)) == pytest.approx(
        [1 / 3, 1 / 3, 2 / 3]
    )


def test_two_members_say_nothing_of_who_is_right():
    for part in (LogOdds(source="agreement"), Surprising()):
        with pytest.raises(PartError, match="two members agree equally"):
            fitted(part, table_of([["a", "b"]] * 3))


def test_members_that_never_meet_do_not_break_it():
    table = table_of([["a", "a", ...], ["a", ..., "a"], ["b", "c", None]])
    for part in (LogOdds(source="agreement"), LogOdds(source="surprising"), Surprising()):
        assert np.isfinite(weights(fitted(part, table))).all()


def test_rows_on_which_all_abstain_do_not_break_it():
    table = table_of([[None, None, None], ["a", "a", "b"]], ["a", "a"])
    for part in (LogOdds(), LogOdds(source="agreement"), Surprising()):
        assert np.isfinite(weights(fitted(part, table))).all()

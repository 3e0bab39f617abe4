"""Numbers of things and amounts of money, as sentences have them."""

import pytest

from composer.diagnostics.amounts import cost_text, counted, in_dollars, number_text


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, "row", "0 rows"),
        (1, "row", "1 row"),
        (1200, "row", "1,200 rows"),
        (1, "query", "1 query"),
        (2, "query", "2 queries"),
        (2, "day", "2 days"),
        (3, "branch", "3 branches"),
    ],
)
def test_one_thing_has_no_plural(number, noun, text):
    assert counted(number, noun) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.02e-05, "0.0000102"),
        (-2.5e-07, "-0.00000025"),
        (0.5, "0.5"),
        (2.0, "2"),
        (1e6, "1000000"),
        (1e-300, "1e-300"),
        (float("inf"), "inf"),
    ],
)
def test_a_number_has_no_exponent_unless_nobody_could_count_its_zeros(value, text):
    assert number_text(value) == text


def test_what_a_person_chose_is_written_as_it_was_chosen():
    assert in_dollars(0.00001) == "$0.00001"
    assert in_dollars(1234567.89) == "$1234567.89"
    assert in_dollars(-0.5) == "-$0.5"


def test_what_was_spent_has_three_digits_or_cents():
    assert [cost_text(each) for each in (1.02e-05, 0.0056149, 0.0, 12.3456, 1234.5)] == [
        "$0.0000102",
        "$0.00561",
        "$0",
        "$12.35",
        "$1,234.50",
    ]

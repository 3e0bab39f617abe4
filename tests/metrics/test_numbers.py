"""Numbers are read as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.metrics import last_number, number, numbers


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("16 - 3 = <<16-3=13>>13", [16, 3, 16, 3, 13, 13]),
        ("1,000 and 12,34", [1000, 12, 34]),
        ("$5, -$7.50, $-2 and € 3", [5, -7.5, -2, 3]),
        ("x2 v1.2.3 b4", []),
        ("-.5 1e3 2E-2", [-0.5, 1000, 0.02]),
        ("\u2212 5 and \u22125", [5, -5]),
        ("1.234,56 or 1.234.567,8 or 1'234,50", [1234.56, 1234567.8, 1234.5]),
        ("\u20115, \u20136 and 3\u20137", [-5, -6, 3, 7]),
        ("5 - 7, x = - 7 and 1.234, 56", [5, 7, -7, 1.234, 56]),
        ("none", []),
    ],
)
def test_every_number_of_a_text_is_found(text, found):
    assert numbers(text) == pytest.approx(found)


def test_the_last_number_is_the_answer():
    assert last_number("9 * $2 = $18.\n#### 18") == 18
    assert last_number("no idea") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("18.0", 18), (" $1,250.00 ", 1250), ("50%", 50), ("-3.", -3), ("3 apples", None), ("", None)],
)
def test_a_text_that_is_a_number_is_one(text, value):
    assert number(text) == value


@given(st.integers(-(10**12), 10**12))
def test_integers_are_read_with_and_without_separators(value):
    assert number(str(value)) == value
    assert last_number(f"so it is {value:,}.") == value

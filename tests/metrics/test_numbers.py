"""Numbers are read as people write them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.metrics import last_number, number, numbers
from composer.metrics.numbers import canonical, plain_number


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


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12 km", "12"),
        ("$1.2M", "1200000"),
        ("3 million", "3000000"),
        ("2 1/2 million", "2500000"),
        ("$5k", "5000"),
        ("\u20ac3bn", "3000000000"),
        ("7B", "7"),
        ("12,34,567", "1234567"),
        ("1.234,567", "1234.567"),
        ("12,5 km", "12.5"),
        ("\u20ac3,50", "3.5"),
        ("0,5", "0.5"),
        ("12 345,67", "12345.67"),
        ("1 234 567", "1234567"),
        ("1.5 \u00d7 10\u207b\u00b3", "0.0015"),
        ("25 m\u00b2", "25"),
        ("2\u00b9\u2070", "1024"),
        ("10^-3", "0.001"),
        ("\u00b9\u2044\u2082", "0.5"),
        (r"\frac{1.5}{2}", "0.75"),
        ("-1,5%", "-1.5"),
        ("1,200 USD", "1200"),
        ("1 / 2", "0.5"),
        ("$1,500", "1500"),
        ("-US$12,000.", "-12000"),
        ("1,500 km", "1500"),
        ("12,500 %", "12500"),
        ("2**10", "1024"),
        (r"90^\circ", "90"),
        ("5^{th}", "5"),
        ("\uff13\uff0e\uff15", "3.5"),
    ],
)
def test_units_scales_and_foreign_signs_are_read(text, value):
    assert plain_number(f"it is {text}") == value


@pytest.mark.parametrize(
    "text",
    [
        "3,14",
        "(3,5)",
        "12,345,67",
        "12 345",
        r"\sqrt{2}",
        r"5\sqrt{2}",
        r"3\pi",
        "at 12:30",
        r"\frac{a}{2}",
    ],
)
def test_a_number_whose_value_is_unclear_abstains(text):
    assert plain_number(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "1/0",
        "0x1F",
        "10^100",
        "10^{100}",
        "4^{1/2}",
        "3^x",
        "1e1234",
        r"\frac{1}{2}\pi",
        r"5/\pi",
        r"\frac{\sqrt{2}}{2}",
        r"\sqrt{2}/2",
        r"\log_2 5",
        "sqrt(2)",
        r"0.\overline{3}",
        r"\pm 2",
        "-(5)",
        "1,000,00",
        "1,2,3",
    ],
)
def test_a_part_of_an_expression_is_not_its_value(text):
    assert plain_number(f"it is {text}") is None


def test_numbers_of_hundreds_of_digits_are_told_apart():
    assert plain_number("9" * 400) != plain_number("9" * 399 + "8")
    assert plain_number("5" + "0" * 400) == "5E+400"


def test_per_cent_are_points_or_a_share():
    assert plain_number("50%") == "50"
    assert plain_number(r"12.5\%", share=True) == "0.125"


@pytest.mark.parametrize(
    ("left", "right"), [("1,000", "1000.0"), ("1/2", "0.50"), ("$1,000.00", "$1000"), ("+3", "3.")]
)
def test_a_number_has_one_spelling(left, right):
    assert canonical(left) == canonical(right)


@pytest.mark.parametrize("text", ["007", "50%", "v1.2", "3 million", "12 km", "1,2", ""])
def test_what_is_more_than_a_number_has_no_such_spelling(text):
    assert canonical(text) is None


def _tex(whole):
    return f"{whole:,}".replace(",", "{,}")


DRESSES = (
    lambda cents: f"{cents / 100:,.2f}",
    lambda cents: f"${cents / 100:,.2f}" if cents >= 0 else f"-${-cents / 100:,.2f}",
    lambda cents: f"{cents / 100:,.2f}".replace(",", "\u2009"),
    lambda cents: f"{cents / 100:,.2f}".replace(",", "'"),
    lambda cents: f"{cents / 100:_.2f}",
    lambda cents: f"{cents / 100:.2f}".replace("-", "\u2212"),
    lambda cents: f"\\boxed{{{_tex(cents // 100)}.{cents % 100:02}}}" if cents >= 0 else "",
    lambda cents: f"{cents / 100:,.2f} km",
    lambda cents: f"{cents}/100",
    lambda cents: rf"\frac{{{cents}}}{{100}}",
    lambda cents: f"{cents}e-2",
    lambda cents: rf"{cents} \times 10^{{-2}}",
    lambda cents: f"{cents / 100:.2f}%",
    lambda cents: f"{cents // 100} {cents % 100}/100" if cents >= 0 else "",
)


@given(st.integers(-(10**10), 10**10), st.sampled_from(DRESSES))
def test_a_value_in_any_dress_is_read_back(cents, dress):
    text = dress(cents)
    if text:
        assert Fraction(plain_number(f"so it is {text}")) == Fraction(cents, 100)


@given(st.integers(-999, 999), st.sampled_from(["thousand", "million", "billion"]))
def test_a_scale_multiplies(value, scale):
    power = {"thousand": 3, "million": 6, "billion": 9}[scale]
    assert plain_number(f"{value} {scale}") == str(value * 10**power)

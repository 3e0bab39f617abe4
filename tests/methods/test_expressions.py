"""Mathematics is read and compared by value, and never for longer than the limit."""

import time

import pytest

pytest.importorskip("math_verify", reason="needs the extra eval")

from composer.methods.agreements.base import Comparison
from composer.methods.agreements.expressions import Latex, Math
from composer.sandbox import mathematics

TOWER = "9^{9^{9^{9}}}"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"The answer is $\frac{1}{2}$.", r"\frac{1}{2}"),
        (r"\boxed{\{1, 2\}} since $x=3$", r"\{1, 2\}"),
        (r"so it is \sqrt{2}", r"\sqrt{2}"),
        ("The answer is [0, 1)", "[0, 1)"),
        ("the answer is 12 km", "12"),
        ("no idea", None),
    ],
)
def test_the_last_expression(text, answer):
    assert Latex().read(text) == answer


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("0.5", r"$\frac{2}{4}$"),
        ("50%", "1/2"),
        (r"\{1, 2\}", "{2, 1}"),
        (r"$[0,1)$", r"$0 \le x < 1$"),
        (r"(x+1)^2", "x^2+2x+1"),
        ("x = 5", "5"),
        (r"\sqrt{8}", "2*sqrt(2)"),
        ("1,000", "1000"),
        ("Paris.", "paris"),
    ],
)
def test_equal_values_agree(left, right):
    assert Math().same(left, right) == 1


@pytest.mark.parametrize(
    ("left", "right"),
    [("50%", "50"), ("(3,5)", "{3,5}"), ("(3,5)", "(5,3)"), ("2/3", "0.6667"), ("Paris", "Pairs")],
)
def test_other_values_do_not(left, right):
    assert Math().same(left, right) == 0


def test_groups_do_not_depend_on_the_order():
    answers = ["x=5", "1/2", None, "5", "0.5", "y = 5", "none"]
    assert Comparison(Math(), answers).groups == ((0, 3, 5), (1, 4), (6,))
    assert Comparison(Math(), answers[::-1]).groups == ((0,), (1, 3, 6), (2, 5))


def test_what_cannot_be_worked_out_ends_in_time(monkeypatch):
    assert Math().same("1", "1.0") == 1
    monkeypatch.setattr(mathematics, "SECONDS", 0.5)
    began = time.monotonic()
    assert Comparison(Math(), [TOWER, "5", TOWER]).groups == ((0, 2), (1,))
    assert time.monotonic() - began < 20

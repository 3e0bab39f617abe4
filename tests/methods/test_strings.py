"""Means of the members' probabilities of strings, by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.methods.strings import Maximum, Mean, Minimum, Power, Product

LOGS = np.log(np.array([[0.2, 0.5], [0.8, 0.1]]))
EVEN = [0.5, 0.5]


@pytest.mark.parametrize(
    ("mean", "weights", "expected"),
    [
        (Mean(), EVEN, [0.5, 0.3]),
        (Mean(), [0.25, 0.75], [0.65, 0.2]),
        (Product(), EVEN, [0.16, 0.05]),
        (Product(normalize=True), EVEN, [0.4, math.sqrt(0.05)]),
        (Product(), [0.25, 0.75], [0.2**0.5 * 0.8**1.5, 0.5**0.5 * 0.1**1.5]),
        (Minimum(), [0.25, 0.75], [0.2, 0.1]),
        (Maximum(), [0.25, 0.75], [0.8, 0.5]),
        (Power(p=1), EVEN, [0.5, 0.3]),
        (Power(p=0), EVEN, [0.4, math.sqrt(0.05)]),
        (Power(p=-1), EVEN, [0.32, 1 / 6]),
        (Power(p=2), EVEN, [math.sqrt(0.34), math.sqrt(0.13)]),
    ],
)
def test_a_mean_by_hand(mean, weights, expected):
    assert np.exp(mean.logs(LOGS, weights)) == pytest.approx(expected)


@pytest.mark.parametrize("mean", [Product(), Minimum(), Power(p=-1), Power(p=0)])
def test_a_string_that_one_member_does_not_write_has_the_probability_zero(mean):
    assert mean.logs(np.array([[-np.inf], [-1.0]]), EVEN) == [-np.inf]


@pytest.mark.parametrize("mean", [Mean(), Maximum(), Power(p=2)])
def test_a_string_that_one_member_writes_keeps_a_probability(mean):
    assert mean.logs(np.array([[-np.inf], [-1.0]]), EVEN)[0] > -3
    assert mean.logs(np.array([[-np.inf], [-np.inf]]), EVEN) == [-np.inf]


@given(st.floats(-50, 50), st.floats(-50, 50), st.lists(st.floats(-30, 0), min_size=2, max_size=4))
def test_power_means_grow_with_the_exponent_between_the_extremes(low, high, logs):
    low, high = min(low, high), max(low, high)
    table, weights = np.array(logs)[:, None], [1 / len(logs)] * len(logs)
    means = (Minimum(), Power(p=low), Power(p=high), Maximum())
    values = [float(mean.logs(table, weights)[0]) for mean in means]
    assert all(a <= b + 1e-6 for a, b in itertools.pairwise(values))

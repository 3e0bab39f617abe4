"""Bootstrap intervals hold what they say."""

import numpy as np
import pytest

from composer.metrics import (
    difference_interval,
    drawn_interval,
    mean_interval,
    resampled_means,
)


def test_equal_values_have_no_width():
    interval = mean_interval([0.5] * 10)

    assert (interval.mean, interval.low, interval.high) == (0.5, 0.5, 0.5)


def test_a_seed_repeats_an_interval():
    values = [0, 1, 1, 0, 1]

    assert mean_interval(values, seed=3) == mean_interval(values, seed=3)


def test_the_width_is_that_of_the_normal_approximation():
    values = [1] * 700 + [0] * 300
    half = 1.96 * (0.7 * 0.3 / 1000) ** 0.5

    interval = mean_interval(values, draws=10_000)

    assert interval.low == pytest.approx(0.7 - half, abs=0.003)
    assert interval.high == pytest.approx(0.7 + half, abs=0.003)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    samples = rng.random((200, 100)) < 0.6

    covered = sum(
        interval.low <= 0.6 <= interval.high
        for interval in (mean_interval(row, draws=400) for row in samples)
    )

    assert 180 <= covered <= 199


def test_pairs_that_move_together_have_a_narrow_difference():
    base = [i % 2 for i in range(100)]
    better = [1 if i < 10 else value for i, value in enumerate(base)]

    interval = difference_interval(better, base)

    assert interval.mean == pytest.approx(0.05)
    assert interval.settled
    assert interval.high - interval.low < 0.1


def test_no_difference_is_not_settled():
    assert not difference_interval([0, 1, 1], [0, 1, 1]).settled


def test_many_rows_are_drawn_in_blocks():
    interval = mean_interval(np.linspace(0, 1, 100_000), draws=100)

    assert interval.mean == pytest.approx(0.5)


@pytest.mark.parametrize("call", [lambda: mean_interval([]), lambda: mean_interval([1], level=1)])
def test_nonsense_is_refused(call):
    with pytest.raises(ValueError, match=r"needs at least one|between 0 and 1"):
        call()


def test_pairs_must_match():
    with pytest.raises(ValueError, match="equally many"):
        difference_interval([1], [1, 2])


def test_resampled_means_begin_with_the_means_and_repeat_by_seed():
    table = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]])

    means = resampled_means(table, draws=50, seed=1)

    assert means.shape == (51, 2)
    assert means[0].tolist() == [2.0, 1.0]
    assert (means[:, 1] == 1).all()
    assert np.array_equal(means, resampled_means(table, draws=50, seed=1))


def test_tables_over_the_same_rows_are_drawn_in_pairs():
    one = np.arange(10.0)[:, None]

    left, right = (resampled_means(each, draws=20, seed=3) for each in (one, one + 1))

    assert np.allclose(right - left, 1)


def test_an_interval_of_draws_leaves_out_those_that_are_undefined():
    interval = drawn_interval(np.array([5.0, *range(1, 100), np.nan]))

    assert (interval.mean, interval.low, interval.high) == (5.0, 3.0, 97.0)


def test_what_is_never_defined_has_no_interval():
    interval = drawn_interval(np.array([np.nan, np.nan]))

    assert np.isnan([interval.mean, interval.low, interval.high]).all()

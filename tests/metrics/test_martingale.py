"""The test of a stream against held-out rows: false alarms, power, and small cases by hand."""

import numpy as np
import pytest

from composer.metrics.martingale import BETS, FIRST, LEVEL, ExchangeabilityTest

ROWS = 400


def peak(ranks, rows=ROWS):
    test = ExchangeabilityTest()
    for rank in ranks:
        test.add(int(rank), rows)
    return test.peak


def test_the_mean_of_each_bet_over_all_p_values_is_one():
    p_values = (np.arange(100_000) + 0.5) / 100_000
    for share, power in BETS:
        mean = (1 - share + share * power * p_values ** (power - 1)).mean()
        assert mean <= 1 + 1e-6
        assert mean > 0.98 or power < 0.4  # the greatest bets lie below the first of these p-values


@pytest.mark.parametrize("length", [1, 20, 100])
def test_streams_like_the_rows_rarely_reach_the_limit(length):
    rng = np.random.default_rng(length)
    scores = rng.random((100, ROWS + length))
    held_out = np.sort(scores[:, :ROWS], 1)
    streams = [
        np.searchsorted(rows, stream)
        for rows, stream in zip(held_out, scores[:, ROWS:], strict=True)
    ]
    alarms = np.mean([peak(stream) >= 1 / LEVEL for stream in streams])
    assert alarms <= LEVEL + 2 * (LEVEL / 100) ** 0.5


def test_a_long_stream_of_slightly_unusual_queries_reaches_it():
    rng = np.random.default_rng(0)
    assert peak((rng.random(200) ** 1.7 * ROWS).astype(int)) >= 1 / LEVEL


def test_one_extreme_query_reaches_it_and_one_that_is_only_unusual_does_not():
    assert peak([int(FIRST * ROWS) - 1]) >= 1 / LEVEL
    assert peak([int(FIRST * ROWS) + 1]) < 1 / LEVEL


def test_equal_ranks_cannot_raise_an_alarm_that_differing_ones_would_not():
    assert peak([200] * 1000) < 1 / LEVEL


def test_a_stream_of_extremes_stays_a_number():
    assert np.isfinite(peak([0] * 3000, rows=10**6))

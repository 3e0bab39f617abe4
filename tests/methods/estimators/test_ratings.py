"""Comparisons and ratings, by hand."""

import math

import numpy as np
import pytest

from composer.methods.estimators.pairs import replay, strengths, wins
from composer.methods.estimators.rankings import BradleyTerry, Elo

NAN = math.nan


def test_a_win_a_tie_and_an_unknown():
    won = wins(np.array([(1.0, 0.0), (1.0, 1.0), (1.0, NAN)]))
    assert won[0].tolist() == [[0.5, 1.0], [0.0, 0.5]]
    assert won[1].tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert np.isnan(won[2, 0, 1])


def test_two_strengths_are_the_odds_of_the_wins():
    """Eight wins and two losses, and the half win each that everyone begins with."""
    found = strengths(np.array([[(0, 8.0), (2.0, 0)]]))[0]
    assert found[0] - found[1] == pytest.approx(math.log(8.5 / 2.5))
    assert found.sum() == pytest.approx(0)


def test_three_strengths_maximise_the_likelihood():
    rng = np.random.default_rng(0)
    won = rng.integers(1, 9, (1, 3, 3)).astype(float)
    total = won[0] * (1 - np.eye(3)) + (1 - np.eye(3)) / 2

    def likelihood(s):
        return (total * -np.log1p(np.exp(-(s[:, None] - s)))).sum()

    best = strengths(won, rounds=500)[0]
    for step in rng.normal(size=(20, 3)) * 0.05:
        assert likelihood(best) >= likelihood(best + step)


def test_one_who_never_lost_keeps_a_finite_strength():
    assert np.isfinite(strengths(np.array([[(0, 5.0), (0.0, 0)]]))).all()


def test_a_game_moves_elo_by_half_its_step_between_equals():
    rating = replay(wins(np.array([(1.0, 0.0)]))[None], 32.0)[0]
    assert rating.tolist() == [1016.0, 984.0]


def test_the_second_game_moves_less():
    rating = replay(wins(np.array([(1.0, 0.0), (1.0, 0.0)]))[None], 32.0)[0]
    expected = 1 / (1 + 10 ** (-32 / 400))
    assert rating[0] == pytest.approx(1016 + 32 * (1 - expected))


def test_ties_and_unknown_games_leave_equals_alone():
    rating = replay(wins(np.array([(1.0, 1.0), (1.0, NAN)]))[None], 32.0)[0]
    assert rating.tolist() == [1000.0, 1000.0]


def test_similar_battles_weigh_ten_times_as_much(labels, letters):
    """Of `a`: weight 100 on A's win (cos 1) and 10 on B's (cos 0), half a win each before."""
    table = labels(["a", "b"], [(1, 0), (0, 1)])
    part = BradleyTerry(features=letters)
    found = part.predict(part.fit(table, 0), [("a", ()), ("c", ())]).mean
    assert found[0] == pytest.approx([100.5 / 111, 10.5 / 111])
    assert found[1] == pytest.approx([0.5, 0.5])


def test_elo_is_half_global_and_half_local(labels, letters):
    """Globally one game each is nearly even; locally only A's game counts."""
    table = labels(["a", "b"], [(1, 0), (0, 1)])
    local = Elo(share=0, nearest=1, features=letters)
    found = local.predict(local.fit(table, 0), [("a", ()), ("b", ())]).mean
    win = 1 / (1 + 10 ** (-32 / 400))
    assert found == pytest.approx(np.array([(win, 1 - win), (1 - win, win)]))
    both = Elo(nearest=1, features=letters)
    mixed = both.predict(both.fit(table, 0), [("a", ())]).mean[0, 0]
    overall = replay(wins(table.quality)[None], 32.0)[0]
    gap = (overall[0] - overall[1] + 32) / 2
    assert mixed == pytest.approx(1 / (1 + 10 ** (-gap / 400)))

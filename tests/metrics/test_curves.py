"""Curves of routers, on cases worked by hand and on published recordings."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from composer.metrics import (
    aiq,
    apgr,
    cost_at,
    cpt,
    full_apgr,
    gain_over,
    hull,
    mixture,
    quality_at,
    threshold_picks,
    threshold_switches,
    tradeoff_switches,
)

DATA = Path(__file__).parents[3] / "shared" / "data" / "recorded"
recorded = pytest.mark.skipif(
    not DATA.is_dir(), reason="the recorded answers are not beside the checkout"
)

WEAK = np.array([1.0, 0.0, 0.0, 1.0])
STRONG = np.array([1.0, 1.0, 1.0, 0.0])
"""The strong model is right where the weak one is not, but for the last query."""


def test_thresholds_begin_with_nobody_and_end_with_everybody():
    picks = threshold_picks(np.array([0.1, 0.2, 0.3, 0.4]), bins=2)

    assert picks.tolist() == [[False] * 4, [False, False, True, True], [True] * 4]


def test_queries_of_equal_score_move_together():
    picks = threshold_picks(np.array([1.0, 1.0, 1.0, 2.0]), bins=10)

    assert {tuple(each) for each in picks.tolist()} == {(False,) * 4, (True,) * 4, (0, 0, 0, 1)}


def test_infinite_scores_are_the_first_and_the_last():
    picks = threshold_picks(np.array([-np.inf, 0.0, np.inf, 1.0]), bins=2)

    assert picks.tolist() == [[False] * 4, [False, False, True, True], [True] * 4]


def test_thresholds_are_those_of_the_scores_interpolated():
    scores = np.random.default_rng(0).normal(size=137).round(1)
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, 11)))

    picks = threshold_picks(scores)

    assert picks[1:].tolist() == [(scores >= edge).tolist() for edge in edges[-2::-1]]


def test_one_score_for_all_leaves_the_two_ends():
    assert threshold_picks(np.zeros(3)).tolist() == [[False] * 3, [True] * 3]


@pytest.mark.parametrize("share", [0.05, 0.2, 0.4, 0.5, 0.6, 0.625, 0.65, 0.675, 0.7, 0.75, 0.8])
def test_a_perfect_cascade_of_one_threshold_recovers_all_that_its_share_allows(share):
    # The weak model is wrong on the queries that go on, and only there.
    asked = np.arange(40) < round(40 * share)
    weak, strong = 1.0 - asked, np.ones(40)

    picks = threshold_picks(asked)
    quality = np.where(picks, strong, weak).mean(axis=1)

    shares = picks.mean(axis=1)
    figure = apgr(shares, quality, weak.mean(), 1.0)
    assert figure == pytest.approx(1 - share / 2)
    assert figure == pytest.approx(full_apgr(asked, weak, strong))
    assert cpt(shares, quality, weak.mean(), 1.0, 0.8) == pytest.approx(0.8 * share)


def test_many_queries_of_the_highest_score_are_a_threshold_among_many_scores():
    scores = np.concatenate([np.arange(35), np.full(65, 99)])

    assert 0.65 in threshold_picks(scores).mean(axis=1)


def test_apgr_of_a_straight_line_is_a_half():
    assert apgr(np.array([0.0, 1.0]), np.array([0.5, 0.75]), 0.5, 0.75) == 0.5


def test_apgr_is_the_area_above_the_weak_model_over_the_gap():
    share, quality = np.array([0.0, 0.5, 1.0]), np.array([0.5, 1.0, 0.75])
    area = 0.5 * (0.5 + 1.0) / 2 + 0.5 * (1.0 + 0.75) / 2

    assert apgr(share, quality, 0.5, 0.75) == pytest.approx((area - 0.5) / 0.25)


def test_apgr_is_undefined_without_a_gap():
    assert np.isnan(apgr(np.array([0.0, 1.0]), np.array([0.5, 0.5]), 0.5, 0.5))


def test_full_apgr_ranks_the_gains_first():
    best, worst = STRONG - WEAK, WEAK - STRONG

    # From .5 up to 1 at half of the calls, level to three quarters, and down to .75.
    area = 0.5 * 0.75 + 0.25 * 1.0 + 0.25 * 0.875
    assert full_apgr(best, WEAK, STRONG) == pytest.approx((area - 0.5) / 0.25)
    assert full_apgr(worst, WEAK, STRONG) < 0.5


def test_full_apgr_of_equal_scores_is_that_of_chance():
    assert full_apgr(np.zeros(4), WEAK, STRONG) == pytest.approx(0.5)


def test_cpt_interpolates_in_quality():
    share, quality = np.array([0.0, 0.4, 1.0]), np.array([0.5, 0.7, 0.8])

    assert cpt(share, quality, 0.5, 0.8, 0.5) == pytest.approx(0.3)


def test_cpt_is_undefined_without_a_gap():
    assert np.isnan(cpt(np.array([0.0, 1.0]), np.array([0.5, 0.5]), 0.5, 0.5, 0.2))


MEMBERS = np.array([[1.0, 0.2], [2.0, 0.3], [3.0, 0.8], [4.0, 0.7], [9.0, 0.9]])


def test_the_hull_leaves_out_what_mixtures_beat():
    assert hull(*MEMBERS.T).tolist() == [[1.0, 0.2], [3.0, 0.8], [9.0, 0.9]]


def test_of_equal_costs_the_better_begins_the_hull():
    assert hull(np.array([1.0, 1.0]), np.array([0.2, 0.6])).tolist() == [[1.0, 0.6]]


@pytest.mark.parametrize(
    ("cost", "weights"),
    [
        (2.0, [0.5, 0, 0.5, 0, 0]),
        (6.0, [0, 0, 0.5, 0, 0.5]),
        (0.0, [1, 0, 0, 0, 0]),
        (99.0, [0, 0, 0, 0, 1]),
        (3.0, [0, 0, 1, 0, 0]),
    ],
)
def test_a_mixture_costs_what_was_asked_for(cost, weights):
    mixed = mixture(*MEMBERS.T, cost)

    assert mixed == pytest.approx(weights)
    assert mixed @ MEMBERS[:, 1] == pytest.approx(quality_at(hull(*MEMBERS.T), cost))


def test_quality_and_cost_are_read_off_a_hull():
    points = hull(*MEMBERS.T)

    assert quality_at(points, 2.0) == pytest.approx(0.5)
    assert cost_at(points, 0.85) == pytest.approx(6.0)
    assert cost_at(points, 0.95) == float("inf")


def test_aiq_goes_on_level_and_leaves_out_what_is_left_of_the_cheapest():
    points = np.array([[1.0, 0.5], [3.0, 0.7]])

    assert aiq(points, 5.0) == pytest.approx((2 * 0.6 + 2 * 0.7) / 5)


def test_a_curve_gains_what_lies_above_the_hull():
    points = hull(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    above = gain_over(np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.7, 1.0]), points)

    assert above == pytest.approx(0.1)
    assert gain_over(np.array([0.5]), np.array([0.4]), points) == pytest.approx(-0.1)


def test_chance_gains_nothing_in_the_mean():
    rng = np.random.default_rng(0)
    weak, strong = rng.random(500) < 0.5, rng.random(500) < 0.7
    line = hull(np.array([0.0, 1.0]), np.array([weak.mean(), strong.mean()]))
    gains = []
    for _ in range(200):
        picks = threshold_picks(rng.random(500), 20)
        quality = np.where(picks, strong, weak).mean(axis=1)
        gains.append(gain_over(picks.mean(axis=1), quality, line))

    assert abs(np.mean(gains)) < 0.002


def test_trade_offs_go_from_the_cheapest_to_the_best():
    estimates = np.array([[0.5, 0.9, 0.95], [0.5, 0.4, 0.45]])

    picks = every_pick(tradeoff_switches(estimates, np.array([1.0, 2.0, 9.0])))

    assert picks[0].tolist() == [0, 0]
    assert [1, 0] in picks.tolist()
    assert picks[-1].tolist() == [2, 0]


def test_without_anything_to_gain_there_is_one_trade_off():
    switches = tradeoff_switches(np.full((2, 2), 0.5), np.array([2.0, 1.0]))

    assert every_pick(switches).tolist() == [[1, 1]]


def every_pick(switches):
    return switches.picks(np.arange(len(switches.ends)))


@pytest.mark.parametrize("digits", [1, 6])
def test_trade_offs_are_all_those_of_a_fine_sweep(digits):
    rng = np.random.default_rng(0)
    estimates, prices = rng.random((40, 5)).round(digits), np.array([3.0, 1.0, 1.0, 8.0, 2.0])
    worth = np.geomspace(1e3, 1e-9, 20_001)[:, None, None] * -prices + estimates
    order = np.lexsort((-estimates.mean(axis=0), prices))
    chosen = order[np.argmax(worth[:, :, order] + 1e-12 * np.arange(5, 0, -1), axis=2)]
    swept = {tuple(each) for each in chosen.tolist()}

    switches = tradeoff_switches(estimates, prices)
    picks, values = every_pick(switches), rng.random((40, 5))

    assert len({tuple(each) for each in picks.tolist()} & swept) > 0.9 * len(picks)
    assert switches.means(values) == pytest.approx(values[np.arange(40), picks].mean(axis=1))
    assert swept <= {tuple(each) for each in picks.tolist()}


def test_each_threshold_on_a_score_is_a_point():
    picks = every_pick(threshold_switches(np.array([0.3, 0.9, 0.3, -np.inf]), 1, 0))

    assert picks.tolist() == [[1, 1, 1, 1], [1, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]]


def read(name):
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


@recorded
@pytest.mark.parametrize(
    ("name", "expected"), [("routellm_mmlu", 0.560), ("routellm_gsm8k", 0.599)]
)
def test_prompt_length_on_published_outcomes(name, expected):
    rows = read(name)
    weak, strong = (
        np.array([row["recorded"][model]["correct"] for row in rows], dtype=float)
        for model in ("mixtral-8x7b", "gpt-4")
    )
    lengths = np.array([len(row["query"]) for row in rows])
    picks = threshold_picks(lengths)
    quality = np.where(picks, strong, weak).mean(axis=1)
    ends = weak.mean(), strong.mean()

    assert apgr(picks.mean(axis=1), quality, *ends) == pytest.approx(expected, abs=0.003)
    assert full_apgr(lengths, weak, strong) == pytest.approx(expected, abs=0.003)


@recorded
@pytest.mark.parametrize(
    ("name", "expected"),
    [("routerbench_arc_challenge_test", 0.9106), ("routerbench_mbpp_test", 0.6797)],
)
def test_the_zero_router_of_routerbench(name, expected):
    rows = read(name)
    models = list(rows[0]["recorded"])
    cost, quality = (
        np.array([[row["recorded"][each][key] for each in models] for row in rows]).mean(axis=0)
        for key in ("cost", "score")
    )

    assert aiq(hull(cost, quality), cost.max()) == pytest.approx(expected, abs=5e-5)

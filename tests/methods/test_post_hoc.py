"""Post-hoc deferral: how likely each stage of a cascade is right, after some have answered."""

import math
from dataclasses import replace

import numpy as np
import pytest
from cascade_rows import answered, drawn
from sklearn.linear_model import LogisticRegression

from composer.methods import Confidence, Exact
from composer.methods.estimators.values import Predictions
from composer.methods.mistakes import PartError
from composer.methods.post_hoc.estimator import PostHoc
from composer.methods.post_hoc.features import Columns
from composer.methods.post_hoc.models import _logistic
from composer.methods.post_hoc.outlook import changes, expected_best, pairs_of
from composer.methods.post_hoc.signals import Gain, Right
from composer.methods.signals.logprobs import MeanLogprob
from composer.metrics import full_apgr
from composer.values import Fitted, ModelError, State

NAMES = ("A", "B", "C")


@pytest.fixture(scope="module")
def table():
    return drawn(200, 0.5, 0.7, 0.9)


@pytest.fixture(scope="module")
def state(table):
    return PostHoc().fit(table, 0)


def chances(state, *texts, confidence=(0.5, 0.5, 0.5)):
    made = answered(NAMES, texts, confidence)
    return PostHoc().predict(state, [made]).mean[0]


def test_the_chance_of_an_answer_rises_with_its_confidence(state):
    low, high = (chances(state, "x", None, None, confidence=(c, 0, 0)) for c in (0.2, 0.8))
    assert high[0] > low[0] + 0.2


def test_stages_that_agree_are_more_likely_right(state):
    alike, apart = chances(state, "x", "x", None), chances(state, "x", "y", None)
    assert min(alike[:2] - apart[:2]) > 0.1


def test_before_any_answer_every_stage_has_about_its_share(state):
    assert chances(state, None, None, None) == pytest.approx([0.5, 0.7, 0.9], abs=0.1)


def test_an_unknown_signal_is_neither_sure_nor_unsure(state):
    values = [chances(state, "x", None, None, confidence=(c, 0, 0))[0] for c in (0.1, None, 0.9)]
    assert values == sorted(values)
    infinite = chances(state, "x", None, None, confidence=(float("-inf"), 0, 0))[0]
    assert infinite == values[1]


def test_differences_between_very_sure_answers_count(state):
    values = [1 - 1e-8, 1 - 1e-6, 1 - 1e-4]
    sure = [chances(state, "x", None, None, confidence=(c, 0, 0))[0] for c in values]
    assert sure == sorted(sure, reverse=True)


def test_a_log_probability_counts_as_the_probability_it_is_of():
    query = answered(NAMES, ["x", None, None])
    answer = query.answers[0]
    signals = {"confidence": 0.25, "mean_logprob": math.log(0.25)}
    columns = Columns(3, (Confidence(), MeanLogprob()), Exact())
    row = columns.of_answers([query.with_answer(0, answer.measured(signals))])[0]
    assert row[0] == pytest.approx(row[1]) == pytest.approx(math.log(1 / 3))


def test_a_good_signal_is_hardly_made_worse():
    train, test = drawn(300, 0.5, 0.9, seed=1), drawn(1000, 0.5, 0.9, seed=2)
    mean = PostHoc().predict(PostHoc().fit(train, 0), [row.before([0]) for row in test.rows]).mean
    raw = full_apgr(-test.signal("confidence")[:, 0], *test.quality.T)
    assert full_apgr(mean[:, 1] - mean[:, 0], *test.quality.T) > raw - 0.01


def test_rows_with_a_failed_stage_or_an_unknown_quality_are_learnt_from_in_part(table):
    first = replace(
        table.rows[0].state.with_failure(1), answers={0: table.rows[0].state.answers[0]}
    )
    rows = (
        replace(table.rows[0], state=first, quality=(1.0, None, None)),
        replace(table.rows[1], quality=(None, 1.0, 0.5)),
        *table.rows[2:],
    )
    state = PostHoc().fit(replace(table, rows=rows), 0)
    predictions = PostHoc().predict(state, [row.state for row in rows])
    assert np.isfinite(predictions.mean).all()
    assert predictions.spread[-1] == pytest.approx([0, 0, 0])


def test_stages_that_are_always_right_have_their_smoothed_share():
    state = PostHoc().fit(drawn(40, 1.0, 1.0), 0)
    sure = PostHoc().predict(state, [answered(("A", "B"), ["a", None], [0.9, 0])]).mean
    assert sure[0] == pytest.approx([41 / 42] * 2)


def test_the_same_rows_give_the_same_fit(table):
    one, other = (PostHoc().fit(table.taken(range(60)), 3) for _ in range(2))
    assert all((one.arrays[name] == other.arrays[name]).all() for name in one.arrays)


def test_a_fit_with_shares_is_that_of_scikit_learn_on_rows_that_are_right_and_wrong():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(80, 4))
    right = vectors[:, 0] + rng.normal(size=80) > 0
    weights, bias = _logistic(vectors, right.astype(float), 0.5)
    model = LogisticRegression(C=0.5, tol=1e-8).fit(vectors, right)
    assert weights == pytest.approx(model.coef_[0], abs=1e-4)
    assert bias == pytest.approx(model.intercept_[0], abs=1e-4)
    halves = np.full(80, 0.5)
    halves[:2] = 0.4, 0.6
    assert abs(_logistic(vectors, halves, 0.5)[0]).max() < 0.1


def test_more_answers_are_expected_to_be_no_worse(state, table):
    cascades = [row.before([0]) for row in table.rows[:20]]
    for each in PostHoc().estimates(state, cascades):
        best = each.expected_best
        assert set(best) == {frozenset(s) for s in ((0, 1), (0, 2), (0, 1, 2))}
        assert best[frozenset({0, 1})] >= max(each.quality[:2])
        assert best[frozenset({0, 1, 2})] >= max(each.quality)


def test_the_expected_best_is_that_of_its_distribution():
    """The log-odds of the first of two stages change with a deviation of 1, the other's do not."""
    roots = np.zeros((len(pairs_of(2)), 2, 2))
    roots[pairs_of(2).index((1, 3)), 0, 0] = 1.0
    now = np.array([[0.6, 0.6]])
    best = expected_best(State({"roots": roots}), 1, now)[3][0]
    rng = np.random.default_rng(1)
    odds = np.log(1.5) * np.sqrt(1 + np.pi / 8) + rng.normal(size=200_000)
    assert best == pytest.approx(np.maximum(1 / (1 + np.exp(-odds)), 0.6).mean(), abs=0.01)


def test_answers_that_tell_nothing_promise_nothing():
    flat = np.full((50, 4, 2), 0.5)

    class Rows:
        answers = np.ones((50, 2), bool)

    still = changes(2, flat, Rows)
    assert expected_best(still, 0, np.array([[0.3, 0.6]]))[3] == pytest.approx([0.6], abs=1e-3)


def test_what_cannot_be_fitted_says_why(table):
    with pytest.raises(PartError, match="8 stages at most, not 9") as error:
        PostHoc().fit(drawn(5, *[0.5] * 8, 0.5), 0)
    assert error.value.code == "E509"
    with pytest.raises(PartError, match="one question"):
        PostHoc().fit(table.taken([0, 0]), 0)


def test_a_fit_of_other_stages_or_a_damaged_one_is_refused(state):
    with pytest.raises(ModelError, match="fitted for the stages A, B, C, but now they are A, X, C"):
        PostHoc().predict(state, [answered(("A", "X", "C"), ["x", None, None], [0.5] * 3)])
    arrays = dict(state.arrays) | {"models.bias": np.zeros((2, 3))}
    with pytest.raises(ModelError, match="wrong shape"):
        chances(State(arrays, state.facts), "x", None, None)


def test_right_and_gain_are_read_off_the_same_models(table):
    table = table.taken(range(40))
    cascades = [row.before([0]) for row in table.rows[:5]]
    mean = PostHoc().predict(PostHoc().fit(table, 0), cascades).mean
    state = Right().fit(table, 0)
    assert Right().values(state, cascades) == pytest.approx(mean[:, 0])
    assert Gain().values(state, cascades) == pytest.approx(mean[:, 1] - mean[:, 0])
    assert Gain().values(state, [table.rows[0].state]) == [0.0]


def test_an_unfitted_part_says_what_to_do():
    with pytest.raises(ModelError, match="not fitted yet"):
        PostHoc().state()


def test_predictions_go_by_what_has_answered(state, table):
    order = PostHoc().predict(state, [table.rows[0].before([0, 1]), table.rows[0].before([0])])
    assert isinstance(order, Predictions)
    assert (order.spread[0] < order.spread[1])[:2].all()
    bound = PostHoc().bound(Fitted.of(NAMES, 200, state=state))
    assert bound.state() is state

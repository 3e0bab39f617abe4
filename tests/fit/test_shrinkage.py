"""Foreign queries: how far they lie, and estimates that shrink towards a safe prior."""

import numpy as np
import pytest

from composer.fit.folds import by_tag, shuffled
from composer.fit.shrinkage import PRIOR, HeldOutPredictions, shrink_predictions, shrinkage_state
from composer.fit.typicality import Closeness, alarms
from composer.methods.estimators.shrinkage import blended, shrunk
from composer.methods.estimators.typicality import held_out_state, measure, ranks, words_of
from composer.methods.estimators.values import Labels, Predictions
from composer.recipe import Recipe
from composer.run.counts import OutOfDistributionCount


def closeness(queries):
    values = np.zeros((len(queries), 2))
    names = ("A", "B")
    return Closeness.of(Labels(tuple(queries), ((),) * len(queries), names, values, values, values))


def sums():
    return [f"What is {a} plus {b}?" for a in range(10) for b in range(10)]


def test_words_are_those_of_any_script():
    assert words_of("What is 2 plus 2?") == {"what", "is", "2", "plus"}
    assert words_of("Ojalá 北京 x") == {"ojalá", "北", "京", "x"}
    assert words_of("?!") == frozenset()


def test_the_words_of_a_row_are_nearest_to_themselves_and_unknown_ones_to_nothing():
    state = closeness(sums()).state()
    same, other, mixed = measure(state, [(sums()[7], ()), ("zzzz qqqq", ()), ("7 zzzz", ())])[:, 0]
    assert same == pytest.approx(1, abs=1e-5)
    assert other == 0
    assert 0 < mixed < 1


def test_held_out_rows_are_measured_as_new_queries_are():
    queries = sums()
    training, held_out = next(iter(shuffled(len(queries), 5, 0)))
    inside = closeness(queries).held_out([(training, held_out)])[held_out]
    state = closeness([queries[row] for row in training]).state()
    outside = measure(state, [(queries[row], ()) for row in held_out])
    assert inside == pytest.approx(outside, abs=1e-5)


def test_a_rank_counts_the_rows_that_are_at_least_as_unusual():
    state = held_out_state(np.array([[0.1, -9.0], [0.5, -4.0], [0.9, -1.0]]))
    assert ranks(state, np.array([[0.0, -99.0], [0.6, -3.0], [1.0, 0.0]])).tolist() == [0, 2, 3]


def test_false_alarms_on_held_out_rows_are_rare_and_counted():
    measures = closeness(sums()).held_out(shuffled(100, 5, 0))
    strange = np.zeros_like(measures) - [0, 1e6]
    report = alarms(measures, strange, 0)
    assert report["false_alarms"] <= 0.05
    assert report["alarms_on_held_out_tags"] == 1


def test_blending_is_between_the_estimate_and_the_prior():
    ours = Predictions(np.array([[1.0, 0.0]]), np.array([[0.3, 0.0]]))
    prior = Predictions.of(np.array([[0.5, 0.5]]))
    found = blended(ours, prior, np.array([0.25]))
    assert found.mean.tolist() == [[0.625, 0.375]]
    assert found.spread[0, 0] == pytest.approx((0.25 * 0.09 + 0.25 * 0.75 * 0.25) ** 0.5)


def views(count=800):
    """Return labels where the estimator is right near, and wrong on what lies far."""
    rng = np.random.default_rng(0)
    similar = rng.random(count)
    truth = rng.random((count, 2))
    wrong = rng.random((count, 2))
    mean = np.where(similar[:, None] > 0.5, truth, wrong)
    labels = Labels(
        tuple(f"q{at}" for at in range(count)), ((),) * count, ("A", "B"), truth, truth, truth
    )
    prior = Predictions.of(np.full((count, 2), 0.5))
    folds = np.arange(count) % 5
    return labels, HeldOutPredictions(Predictions.of(mean), prior, similar, folds)


def test_belief_rises_with_likeness():
    labels, seen = views()
    curve = shrinkage_state(labels, seen, None, 0)["curve"].arrays
    assert (np.diff(curve["weight"]) >= 0).all()
    assert curve["weight"][0] == 0
    assert curve["weight"][-1] > 0.9
    assert curve["weight"][2] < 0.3


def test_shrinking_helps_where_the_estimator_is_lost():
    labels, seen = views()
    found = shrink_predictions(labels, seen, None)
    before = ((seen.predictions.mean - labels.quality) ** 2).mean()
    assert ((found.mean - labels.quality) ** 2).mean() < 0.7 * before


def test_whole_tags_are_left_out_by_the_rarest():
    tags = [("all", "a"), ("b", "all"), ("all", "a"), ("all", "c")]
    for learnt, left in by_tag(tags, 5):
        kinds = {("a", "b", "a", "c")[row] for row in left}
        assert not kinds & {("a", "b", "a", "c")[row] for row in learnt}
    assert by_tag([("all",)] * 4, 5) == []


def test_folds_are_drawn_by_the_seed():
    first, again, other = (shuffled(20, 4, seed) for seed in (0, 0, 1))
    assert [left.tolist() for _, left in first] == [left.tolist() for _, left in again]
    assert [left.tolist() for _, left in first] != [left.tolist() for _, left in other]


def test_a_run_says_once_that_queries_are_foreign(desk):
    path = desk.recipe()
    desk.fit(path)
    with Recipe.load(path).ready() as ensemble:
        known, strange = OutOfDistributionCount(), OutOfDistributionCount()
        list(known.counting(ensemble.map([f"add sum {at}" for at in range(20)])))
        list(strange.counting(ensemble.map(["Ojalá lloviera hoy"] * 3)))
    assert known.warning(path) is None
    warning = strange.warning(path)
    assert warning.code == "W701"
    assert (
        "the 3 queries, taken together, are unlike the data that the route `r1`" in warning.message
    )
    assert "3 of them are more unusual than 95% of the held-out rows" in warning.message
    assert f"`compose fit {path} --data {desk.data}`" in warning.help


def test_without_shrinking_nothing_is_said_of_likeness(desk):
    path = desk.recipe()
    desk.fit(path, shrink=False)
    with Recipe.load(path).ready() as ensemble:
        strange = OutOfDistributionCount()
        list(strange.counting(ensemble.map(["Ojalá lloviera hoy"])))
    assert strange.queries == 0


def test_a_bound_estimator_shrinks(desk):
    path = desk.recipe()
    desk.fit(path)
    recipe = Recipe.load(path)
    route = next(n for n in recipe.fitted.graph.places if n.op == "route" and n.get("by").fitted)
    fitted = route.get("by").fitted
    asked = [("Ojalá lloviera hoy", ())]
    raw = route.get("by").predict(fitted.state, asked)
    found, (typicality,) = shrunk(fitted.shrinkage, asked, raw)
    prior = PRIOR.predict(fitted.shrinkage.part("prior"), asked)
    assert typicality.p_value < 0.05
    assert found.mean == pytest.approx(prior.mean, abs=0.05)

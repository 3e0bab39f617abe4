"""Foreign queries: how far they lie, and estimates that shrink towards a safe prior."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.model_selection import KFold

from composer.fit.guard import LeftOut, fit_guard
from composer.fit.prior import Candidates, constant_state, held_out_candidates, weigh_candidates
from composer.fit.shrinkage import HeldOutPredictions, Shrinkage
from composer.fit.typicality import Closeness, alarms
from composer.fit.validation import merit
from composer.methods.estimators.folds import by_tag, halves, shuffled
from composer.methods.estimators.prior import prior_quality
from composer.methods.estimators.shapes import shapes
from composer.methods.estimators.shrinkage import blended, shrunk
from composer.methods.estimators.soundness import check
from composer.methods.estimators.typicality import held_out_state, measure, ranks, words_of
from composer.methods.estimators.values import Labels, Predictions
from composer.methods.mistakes import PartError
from composer.recipe import Recipe
from composer.run.counts import OutOfDistributionCount
from composer.values import Fitted, State


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
    training, held_out = next(iter(shuffled(queries, 5, 0)))
    inside = closeness(queries).held_out([(training, held_out)])[held_out]
    state = closeness([queries[row] for row in training]).state()
    outside = measure(state, [(queries[row], ()) for row in held_out])
    assert inside == pytest.approx(outside, abs=1e-5)


def test_a_rank_counts_the_rows_that_are_at_least_as_unusual():
    state = held_out_state(np.array([[0.1, -9.0], [0.5, -4.0], [0.9, -1.0]]))
    assert ranks(state, np.array([[0.0, -99.0], [0.6, -3.0], [1.0, 0.0]])).tolist() == [0, 2, 3]


def test_false_alarms_on_held_out_rows_are_rare_and_counted():
    measures = closeness(sums()).held_out(shuffled(sums(), 5, 0))
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


def shrinkage(count=800):
    """Return one where the estimator is right about usual queries, and wrong about unusual ones."""
    rng = np.random.default_rng(0)
    usual = rng.random(count)
    truth, wrong = rng.random((2, count, 2))
    mean = np.where(usual[:, None] > 0.5, truth, wrong)
    queries, none = tuple(f"q{at}" for at in range(count)), ((),) * count
    labels = Labels(queries, none, ("A", "B"), truth, truth, truth)
    prior = np.full((count, 2), 0.5)
    view = HeldOutPredictions(Predictions.of(mean), prior, usual, np.arange(count) % 5)
    return Shrinkage(labels, constant_state(truth), view, view)


def test_trust_rises_with_the_p_value():
    knots, weights = shrinkage().curve(np.ones(800, dtype=bool))
    assert (np.diff(knots) >= 0).all()
    assert (np.diff(weights) >= 0).all()
    assert weights[0] == 0
    assert weights[2] < 0.3
    assert weights[-1] > 0.9


def test_shrinking_helps_where_the_estimator_is_lost():
    one = shrinkage()
    ours, quality = one.inside.predictions, one.labels.quality
    shrunk = one.shrink(ours, one.inside)
    assert ((shrunk.mean - quality) ** 2).mean() < 0.7 * ((ours.mean - quality) ** 2).mean()


def lengths(count=400, noise=0.0):
    """Return rows of ten tags where the second choice is the better one for long prompts."""
    rng = np.random.default_rng(0)
    size = rng.integers(1, 60, count)
    strong = size + noise * rng.normal(size=count) > 20
    quality = np.stack([~strong, np.ones(count)], 1).astype(float)
    queries = tuple("word " * each for each in size)
    tags = tuple((f"t{each}",) for each in rng.integers(0, 10, count))
    return Labels(queries, tags, ("A", "B"), quality, quality, quality)


def fitted_shrinkage(labels):
    """Fit a guard around an estimator that knows nothing: the same for every query."""
    count = len(labels.queries)
    ours = Predictions.of(np.random.default_rng(1).random((count, 2)))
    splits, tag_splits = shuffled(labels.queries, 3, 0), by_tag(labels.tags, 3)
    return fit_guard(labels, LeftOut(ours, splits), LeftOut(ours, tag_splits), 0)


def test_what_foreign_queries_get_is_not_below_the_length():
    labels = lengths(noise=10)
    report = fitted_shrinkage(labels).report["foreign_shrunk"]
    assert report["apgr"][0] >= report["length"][0] - 0.02


def test_the_fitted_prior_is_the_mix_that_was_weighed():
    labels = lengths()
    rows = np.ones(len(labels.queries), dtype=bool)
    values = shapes(labels.asked)
    splits = by_tag(labels.tags, 3)
    predictions = held_out_candidates(values, labels.quality, splits, 0)
    whole, plain = weigh_candidates(labels, predictions, rows)
    candidates = Candidates.of(values, labels.quality, 0)
    state = candidates.state(whole, plain)
    for p_value, weights in ((1.0, whole), (0.0, plain)):
        quality = prior_quality(state, labels.asked, np.full(len(rows), p_value))
        assert quality == pytest.approx(weights.mix(candidates.predict(values)), abs=1e-5)


def test_a_prior_that_does_worse_than_no_look_at_the_query_is_not_used():
    labels = lengths()
    rng = np.random.default_rng(0)
    nothing = replace(labels, quality=rng.permutation(labels.quality))
    rows = np.ones(len(labels.queries), dtype=bool)
    splits = by_tag(labels.tags, 3)
    predictions = held_out_candidates(shapes(nothing.asked), nothing.quality, splits, 0)
    whole, _ = weigh_candidates(nothing, predictions, rows)
    ours = merit(whole.mix(predictions), nothing.quality)
    assert ours >= 0.5


@pytest.mark.parametrize("shape", [(30, 30), (50, 10), (12, 30, 18)])
def test_few_rows_or_tags_leave_the_estimator_as_it_is(desk, shape):
    kinds = (("A", "add {} and {}"), ("B", "who wrote play {} act {}"), ("C", "spell {} or {}"))
    names = [name for name, _ in kinds[: len(shape)]]
    rows = [
        {
            "query": text.format(at, at % 7),
            "tags": [name],
            "recorded": {other: {"correct": other == name} for other in names},
        }
        for (name, text), count in zip(kinds, shape, strict=False)
        for at in range(count)
    ]
    desk.rows(rows)
    models = "".join(f'model {name} = recorded("rows.jsonl", "{name}")\n' for name in names)
    path = desk.recipe(text=models + f"route(by = {{by}}) -> [{', '.join(names)}]\n")
    questions = ["Sam has 3 pens. How many?", "add 3", "who is in the play?", "zzz", "spell it"]
    estimates = []
    for shrink in (True, False):
        desk.fit(path, shrink=shrink)
        with Recipe.load(path).ready() as ensemble:
            estimates.append([dict(each.estimates) for each in ensemble.decide(questions)])
    assert estimates[0] == estimates[1]


def test_whole_tags_are_left_out_by_the_rarest():
    tags = [("all", "a"), ("b", "all"), ("all", "a"), ("all", "c")]
    for learnt, left in by_tag(tags, 5):
        kinds = {("a", "b", "a", "c")[row] for row in left}
        assert not kinds & {("a", "b", "a", "c")[row] for row in learnt}
    assert by_tag([("all",)] * 4, 5) == []


def test_folds_are_drawn_by_the_seed():
    first, again, other = (shuffled(list(map(str, range(20))), 4, seed) for seed in (0, 0, 1))
    assert [left.tolist() for _, left in first] == [left.tolist() for _, left in again]
    assert [left.tolist() for _, left in first] != [left.tolist() for _, left in other]


def test_equal_questions_are_left_out_together():
    queries = [f"question {at % 30}" for at in range(80)]
    for training, held_out in shuffled(queries, 5, 0):
        assert not {queries[at] for at in training} & {queries[at] for at in held_out}
    first, second = halves(queries, 0)
    assert not {queries[at] for at in first} & {queries[at] for at in second}
    assert sorted([*first, *second]) == list(range(80))


def test_different_questions_are_drawn_row_by_row():
    queries = [f"question {at}" for at in range(21)]
    order = np.random.default_rng(3).permutation(21)
    for rows, expected in zip(halves(queries, 3), np.array_split(order, 2), strict=True):
        assert rows.tolist() == expected.tolist()
    drawn = KFold(4, shuffle=True, random_state=3).split(order)
    for pair, expected in zip(shuffled(queries, 4, 3), drawn, strict=True):
        assert [rows.tolist() for rows in pair] == [rows.tolist() for rows in expected]


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


def test_a_bound_estimator_shrinks_towards_the_prior(desk, rows):
    path = desk.recipe()
    desk.rows(
        {**row, "id": f"{row['id']}-{at}", "query": f"{row['query']} {at}"}
        for at in range(4)
        for row in rows
    )
    desk.fit(path)
    recipe = Recipe.load(path)
    route = next(n for n in recipe.fitted.graph.places if n.op == "route" and n.get("by").fitted)
    fitted = route.get("by").fitted
    asked = [("Ojalá lloviera hoy", ())]
    raw = route.get("by").predict(fitted.state, asked)
    estimates, (typicality,) = shrunk(fitted.shrinkage, asked, raw)
    p_values = np.array([typicality.p_value])
    prior = prior_quality(fitted.shrinkage.part("prior"), asked, p_values)
    assert typicality.p_value < 0.05
    curve = fitted.shrinkage.part("curve").arrays
    weight = np.interp(p_values, curve["p_value"], curve["weight"])
    assert estimates.mean == pytest.approx(weight * raw.mean + (1 - weight) * prior)


def test_the_guard_of_an_older_version_is_refused(desk):
    path = desk.recipe()
    desk.fit(path)
    recipe = Recipe.load(path)
    route = next(n for n in recipe.fitted.graph.places if n.op == "route" and n.get("by").fitted)
    part = route.get("by")
    old = State.join(near=State(), prior=State(), curve=State())
    states = {**part.fitted.states, "guard": old}
    with pytest.raises(PartError, match="written by another version"):
        check(part.name, Fitted.of(part.fitted.names, 60, **states))

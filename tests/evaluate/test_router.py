"""A router is held against what knows nothing of the query, and its curve is measured."""

import json
from dataclasses import replace

import numpy as np
import pytest

from composer import load
from composer.cli import main
from composer.evaluate import compare, decide_only, decided, evaluate, read_rows, shown
from composer.run import Failure
from composer.run.counts import OutOfDistribution

pytestmark = pytest.mark.usefixtures("few_draws")

SIZE = 60


@pytest.fixture
def data(tmp_path):
    """Questions of two kinds: B is right of long ones, of short ones A, at a tenth of the price.

    Of every third question the other one is right too, and B of every tenth.
    """
    path = tmp_path / "rows.jsonl"
    rows = []
    for at in range(SIZE):
        long, both = at % 2 == 1, at % 3 == 0
        recorded = {
            "A": {"correct": both or not long, "cost": 0.1},
            "B": {"correct": both or long or at % 10 == 0, "cost": 1.0},
        }
        query = f"question {at} " + "on and on " * (5 * long)
        tags = ["long" if long else "short", "all"]
        rows.append({"id": f"q{at}", "query": query, "tags": tags, "recorded": recorded})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def models(path, *, named=("A", "B")):
    lines = (
        f'model {name} = recorded("{path}", "{model}")'
        for name, model in zip(named, "AB", strict=True)
    )
    return "\n".join(lines) + "\n"


def recipe(path, by="length(threshold = 40)", rest=""):
    return load(models(path) + f"route(by = {by}{rest}) -> [A, B]", root="/")


def found(router, than, measure="accuracy"):
    (one,) = [one for one in router.against if (one.than, one.measure) == (than, measure)]
    return one.difference


def test_a_router_that_knows_the_query_beats_everything_but_the_oracle(data):
    router = evaluate(recipe(data), read_rows(data)).router

    assert router.decided.accuracy.mean == 1.0
    assert router.decided.cost == pytest.approx(0.55)
    assert router.shares == {"A": 0.5, "B": 0.5}
    assert {name: one.accuracy.mean for name, one in router.singles.items()} == pytest.approx(
        {"A": 40 / 60, "B": 44 / 60}
    )
    assert router.baselines["oracle"].accuracy.mean == 1.0
    assert router.baselines["chance"].accuracy.mean == pytest.approx(0.7)
    assert router.best == "B"
    assert found(router, "B").low > 0
    assert found(router, "chance").low > 0
    assert found(router, "zero-router").low > 0


def test_the_length_router_is_its_own_equal(data):
    router = evaluate(recipe(data), read_rows(data)).router

    assert found(router, "prompt length").mean == 0


def test_decisions_alone_tell_the_same_as_answers(data):
    rows = read_rows(data)

    answered, only = evaluate(recipe(data), rows), decide_only(recipe(data), rows)

    assert only.router.as_dict() == answered.router.as_dict()
    assert only.shares == {"A": 0.5, "B": 0.5}
    assert only.tags["short"].accuracy == answered.tags["short"].accuracy


def test_drawn_decisions_are_those_of_a_run(data):
    rows, drawn = read_rows(data), recipe(data, by="random()")

    with drawn.ready() as ensemble:
        asked = [result.decision for result in ensemble.map([row.asked() for row in rows])]
        told = ensemble.decide([row.asked() for row in rows])

    assert [dict(one.weights) for one in told] == asked


def test_what_learns_decides_all_rows_at_once_as_one_by_one(data):
    rows, learnt = read_rows(data), recipe(data, by=f'knn("{data}", k = 3)')

    with learnt.ready() as ensemble:
        asked = [result.decision for result in ensemble.map([row.asked() for row in rows])]
        told = ensemble.decide([row.asked() for row in rows])

    assert [dict(one.weights) for one in told] == asked


def test_a_sticky_route_decides_by_the_first_question(data):
    first, later = read_rows(data)[:2]
    turns = [{"role": "user", "content": first.query}, {"role": "user", "content": later.query}]
    sticky = recipe(data, by=f'knn("{data}", k = 1)', rest=", sticky = true")

    with sticky.ready() as ensemble:
        (told,) = ensemble.decide([{"id": "c", "messages": turns}])
        (alone,) = ensemble.decide([first.asked()])

    assert told.estimates == alone.estimates


def test_rows_that_it_learnt_from_are_counted(data):
    rows = read_rows(data)

    only = decide_only(recipe(data, by=f'knn("{data}")'), rows)

    assert only.overlap == SIZE
    assert f"The route was fitted on {SIZE} of these rows" in text(only)
    assert decide_only(recipe(data), rows).overlap == 0


def text(*several):
    return shown(decided(several), width=200)


def test_a_router_that_always_says_the_same_is_told_so(data):
    constant = decide_only(recipe(data, by="length(threshold = 9999)"), read_rows(data))

    assert constant.router.constant
    assert "It chooses A for every query, so with this setting it decides nothing." in text(
        constant
    )


def test_chance_is_said_to_beat_nothing(data):
    said = text(decide_only(recipe(data, by="random()"), read_rows(data)))

    assert "the best single model, B: -" in said
    assert "Over all thresholds: it does not beat chance: APGR" in said
    assert "It beats" not in said


def test_slices_that_got_worse_are_named(data):
    swapped = load(models(data) + "route(by = length(threshold = 40)) -> [B, A]", root="/")

    said = text(decide_only(swapped, read_rows(data)))

    assert "on 1 of 2 tags: short -66.7 points" in said or "on 1 of 2 tags: long" in said


def test_without_dollars_an_answer_of_the_stronger_is_a_call(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [
        {"query": "q" * (at + 1), "recorded": {"A": {"correct": at > 8}, "B": {"correct": True}}}
        for at in range(10)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    router = decide_only(recipe(path, "length(threshold = 5)"), read_rows(path)).router

    assert router.unit == "calls"
    assert (router.singles["A"].cost, router.singles["B"].cost) == (0, 1)
    assert router.decided.cost == pytest.approx(0.5)


def test_between_equals_there_is_no_gap_to_recover(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = [
        {"query": "q" * (at + 1), "recorded": {"A": {"correct": at < 5}, "B": {"correct": at > 4}}}
        for at in range(10)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    only = decide_only(recipe(path, "length(threshold = 5)"), read_rows(path))

    assert json.loads(json.dumps(only.router.as_dict()))["figures"]["apgr"]["value"] is None
    assert "undefined" in text(only)
    assert "nan" not in text(only)


def priced(path, *costs):
    """Write a row for each cost of A; B always costs a dollar. Return the router."""
    right, wrong = {"correct": True}, {"correct": False, "cost": 1}
    rows = [
        {"query": f"q{at}", "recorded": {"A": {**right, "cost": cost}, "B": wrong}}
        for at, cost in enumerate(costs)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return decide_only(recipe(path), read_rows(path))


def test_a_choice_of_unknown_cost_is_not_free(tmp_path):
    only = priced(tmp_path / "rows.jsonl", None, None)
    assert (only.router.unit, only.router.unpriced) == ("calls", ("A",))
    assert "The cost of A is not known, so dollars are not compared." in text(only)


def test_an_answer_of_unknown_cost_counts_with_the_mean_of_its_choice(tmp_path):
    only = priced(tmp_path / "rows.jsonl", 0, 4, None)
    assert (only.router.unit, only.router.filled) == ("$", 1)
    assert only.router.singles["A"].cost == pytest.approx(2.0)
    assert "The cost of 1 answer is not known; the mean" in text(only)
    assert only.router.worth.best.ratio is None
    assert only.router.worth.zero is None


def test_a_recorded_cost_of_nothing_is_known(tmp_path):
    router = priced(tmp_path / "rows.jsonl", 0, 0).router
    assert (router.unit, router.singles["A"].cost, router.unpriced) == ("$", 0.0, ())


def test_three_choices_are_traded_off_by_their_costs(tmp_path):
    path = tmp_path / "rows.jsonl"
    kept = {"A": (0.4, 1), "B": (0.6, 2), "C": (0.9, 8)}
    told = {name: {"score": score, "cost": cost} for name, (score, cost) in kept.items()}
    path.write_text("".join(json.dumps({"query": f"q{i}", "recorded": told}) + "\n" for i in "abc"))
    models = "\n".join(f'model {name} = recorded("{path}", "{name}")' for name in kept)
    three = load(f'{models}\nroute(by = knn("{path}")) -> [A, B, C]', root="/")

    router = decide_only(three, read_rows(path)).router

    assert router.graded
    assert router.curve.cost.tolist()[:: len(router.curve.cost) - 1] == [1, 8]
    assert router.figures["cost_at_equal_quality"].mean == pytest.approx(1.0)
    assert router.figures["gain_over_zero_router"].mean == pytest.approx(0, abs=1e-9)


def test_branches_are_judged_by_their_names_in_the_data(data):
    named = load(
        models(data, named=("A", "B"))
        + "route(by = length(threshold = 40)) -> [A -> extract(), B -> extract()]",
        root="/",
    )

    only = decide_only(named, read_rows(data))

    assert only.router is None
    assert "The data do not have the outcomes of all choices" in text(only)


def test_routers_are_compared_in_pairs(data):
    both = compare([recipe(data), recipe(data, by="random()")], read_rows(data))

    measures = {one.measure: one for one in both.differences}

    assert set(measures) == {"accuracy", "apgr", "aiq"}
    assert measures["aiq"].interval.high < 0


def test_decisions_are_compared_in_pairs_too(data):
    rows = read_rows(data)
    better, chance = (decide_only(recipe(data, **by), rows) for by in ({}, {"by": "random()"}))

    said = text(better, chance)

    assert "recipe over recipe: -" in said
    assert "recipe over recipe, APGR: -" in said


def test_a_recipe_without_a_route_has_nothing_to_decide(data):
    with pytest.raises(Failure, match="E712"):
        decide_only(load(models(data) + "[A, B] -> vote()", root="/"), read_rows(data))


def test_a_route_behind_an_answer_has_to_answer(data):
    late = models(data) + 'A -> prompt("{answer}") -> route(by = length()) -> [A, B]'

    with pytest.raises(Failure, match="E712"):
        decide_only(load(late, root="/"), read_rows(data))


def test_a_budget_is_shared_by_all_that_is_decided_together(data):
    rows = read_rows(data)
    # Dollars count for a thousand answers: half of them may cost a dollar, the rest a tenth.
    paid = recipe(data, by=f'knn("{data}", k = 1)', rest=", policy = budget(mean = 550)")

    only = decide_only(paid, rows)

    assert only.router.decided.cost <= 0.55 + 1e-9
    assert only.router.decided.accuracy.mean == 1.0


def test_json_holds_only_what_json_can(data):
    report = evaluate(recipe(data), read_rows(data))

    printed = json.loads(json.dumps(report.as_dict(), allow_nan=False))

    assert printed["router"]["best_single"] == "B"
    assert {"apgr", "cpt_50", "aiq", "cost_at_equal_quality"} <= set(printed["router"]["figures"])


def test_figures_repeat(data):
    rows = read_rows(data)
    one, two = (evaluate(recipe(data), rows).router for _ in range(2))

    assert one.as_dict() == two.as_dict()
    assert all(
        np.array_equal(one.drawn[name], two.drawn[name], equal_nan=True) for name in one.drawn
    )


def test_routerbench_is_routed_as_it_is_published(tmp_path):
    path = tmp_path / "routerbench.csv"
    columns = "sample_id,prompt,eval_name,A,org/B,A|total_cost,org/B|total_cost"
    rows = [f"s{at},['{'q' * at}'],mbpp,{at % 2}.0,1.0,0.001,0.01" for at in range(1, 9)]
    path.write_text("\n".join([columns, *rows]))
    pair = load(
        models(path).replace('"B"', '"org/B"') + f'route(by = knn("{path}", k = 1)) -> [A, B]',
        root="/",
    )

    report = evaluate(pair, read_rows(path))

    assert report.router.unit == "$"
    assert report.router.singles["B"].accuracy.mean == 1.0
    assert report.router.decided.accuracy.mean == report.accuracy == 1.0
    assert report.router.decided.cost == pytest.approx(report.cost / 8)
    assert report.overlap == 8


def test_the_data_of_a_fit_are_known_again(data, tmp_path):
    file = tmp_path / "learnt.ens"
    file.write_text(models(data) + "route(by = knn(k = 3)) -> [A, B]\n")
    with pytest.raises(SystemExit):
        main(["fit", str(file), "--data", str(data), "--root", "/"])

    only = decide_only(load(file, root="/"), read_rows(data))

    assert only.overlap == SIZE
    assert only.router.decided.accuracy.mean > 0.7
    assert "Verdict: none." in text(only)
    assert "worth its cost" not in text(only)


def test_foreign_questions_are_warned_of_as_in_a_run(data):
    only = decide_only(recipe(data), read_rows(data))
    familiar = OutOfDistribution(queries=200, unusual=12)
    strange = OutOfDistribution(200, 41, ("route",), "compose fit r.ens --data rows.jsonl")

    assert "unlike the data" not in text(only, replace(only, foreign=familiar))
    warned = text(replace(only, foreign=strange))
    assert "41 of them are more unusual than 95% of the held-out rows" in warned
    assert "5% are expected" in warned
    assert "fit again: `compose fit r.ens --data rows.jsonl`" in warned


def test_of_equally_good_choices_without_costs_the_first_is_the_one_that_costs_nothing(data):
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    for row in rows:
        row["recorded"] = {name: {"correct": True} for name in "AB"}
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    router = evaluate(recipe(data), read_rows(data)).router

    assert router.best == "A"
    assert (router.singles["A"].cost, router.singles["B"].cost) == (0, 1)

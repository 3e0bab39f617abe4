"""Costs that were recorded or measured decide where no price is declared."""

import json

import pytest

from composer.diagnostics import Mistakes
from composer.evaluate import evaluate, read_rows
from composer.fit.settings import Target
from composer.recipe import Recipe

TAGS = "tagged(weight = 1)"


def with_costs(rows, **known):
    """Return rows in which a choice has its cost only where `known` says so."""
    for at, row in enumerate(rows):
        for name, answer in row["recorded"].items():
            if not known.get(name, lambda _: True)(at):
                del answer["cost"]
    return rows


def quick(desk, path, target=None):
    return desk.fit(path, target=target and Target.read(target), shrink=False, folds=2)


def spent(desk, policy, path=None):
    """Return the share of B, and the recorded dollars of a thousand answers."""
    path = path or desk.recipe(TAGS, policy)
    with Recipe.load(path).ready() as ensemble:
        decisions = ensemble.decide([row.question() for row in read_rows(desk.data)])
    share = sum(decision.weights["B"] for decision in decisions) / len(decisions)
    return share, 1 + 9 * share


@pytest.fixture
def fitted(desk):
    quick(desk, desk.recipe(TAGS, "one()"))
    return desk


def test_recorded_costs_decide_where_no_price_is_declared(fitted):
    assert spent(fitted, "one()")[0] == 0.5
    assert spent(fitted, "one(cost = 100)")[0] == 0.0
    assert spent(fitted, "cheapest(at = -9)")[0] == 0.0
    assert spent(fitted, "cheapest(at = 9, otherwise = dearest)")[0] == 1.0
    for mean in (1, 2.5, 4):  # dollars for a thousand answers
        assert spent(fitted, f"budget(mean = {mean})")[1] == pytest.approx(mean, abs=0.15)


def test_a_target_of_cost_is_kept_without_a_price(desk):
    path = desk.recipe(TAGS, "one()")
    quick(desk, path, "cost=0.006")
    share, dollars = spent(desk, "", path)
    assert share == 0.5
    assert dollars == pytest.approx(5.5)


def test_a_price_counts_at_the_recorded_tokens(desk, rows):
    for row in rows:
        for answer in row["recorded"].values():
            answer |= {"prompt_tokens": 100, "completion_tokens": 10}
    desk.rows(rows)
    path = desk.recipe(TAGS, policy="one(cost = 100)")
    path.write_text(path.read_text().replace('"alpha")', '"alpha", price = [100, 1000])'))
    entry = quick(desk, path).manifest.entries[0]
    assert entry.report["costs"] == {"A": pytest.approx(0.02), "B": pytest.approx(0.01)}
    assert spent(desk, "", path)[0] == 1.0


def test_a_plan_tells_where_costs_come_from(desk):
    path = desk.recipe(TAGS, policy="one(cost = 1)")
    plan = Recipe.load(path).plan()
    assert [each.origin for each in plan.costs] == ["mean of its recorded answers"] * 2
    quick(desk, path)
    plan = Recipe.load(path).plan()
    assert [(each.choice, each.dollars) for each in plan.costs] == [
        ("A", pytest.approx(0.001)),
        ("B", pytest.approx(0.01)),
    ]
    assert all("data of the fit" in each.origin for each in plan.costs)
    assert not Recipe.load(desk.recipe(TAGS, policy="one()", name="other.ens")).plan().costs


def test_costs_of_some_rows_stand_for_the_others(desk, rows):
    desk.rows(with_costs(rows, beta=lambda at: at % 3 == 0))
    path = desk.recipe(TAGS, policy="budget(mean = 4)")
    done = quick(desk, path)
    assert done.manifest.entries[0].report["costs"]["B"] == pytest.approx(0.01)
    assert any("costs are known of some of the 60 rows only: `B` (20)" in n for n in done.notes)
    assert spent(desk, "", path)[0] == pytest.approx(1 / 3, abs=0.02)


@pytest.mark.parametrize(
    ("policy", "target"),
    [("budget(mean = 4)", None), ("gap()", "cost=0.004"), ("one()", "quality=0.6")],
)
def test_a_choice_without_any_cost_is_named_before_anything_is_fitted(desk, rows, policy, target):
    desk.rows(with_costs(rows, beta=lambda _: False))
    with pytest.raises(Mistakes, match="the cost of `B` is not known") as caught:
        quick(desk, desk.recipe(TAGS, policy=policy), target)
    assert "record the `cost`" in str(caught.value)


def test_a_price_stands_in_for_a_choice_without_costs(desk, rows):
    desk.rows(with_costs(rows, beta=lambda _: False))
    path = desk.recipe(TAGS, policy="one()")
    path.write_text(path.read_text().replace('"beta")', '"beta", price = [10, 10])'))
    done = quick(desk, path, "cost=0.004")
    assert done.manifest.entries[0].report["costs"]["B"] is None
    assert any("no cost is known of `B`" in note for note in done.notes)
    assert done.manifest.entries[0].report["reached"][0] <= 0.0045


def test_a_fit_without_costs_is_refused_by_a_policy_that_needs_them(desk, rows):
    desk.rows(with_costs(rows, alpha=lambda _: False, beta=lambda _: False))
    quick(desk, desk.recipe(TAGS, policy="one()"))
    with pytest.raises(Mistakes, match="`cheapest` needs costs") as caught:
        Recipe.load(desk.recipe(TAGS, policy="cheapest()")).ready()
    assert caught.value.diagnostics[0].code == "E511"


ASKED = """model A = fake("yes"{a})
model B = fake("no"{b})
route(by = constant(), policy = {policy}) -> [A, B]
"""


def asked(desk, policy, a="", b=""):
    path = desk.folder / "asked.ens"
    path.write_text(ASKED.format(policy=policy, a=a, b=b))
    rows = [{"id": f"{at}", "query": f"q {at}", "reference": "yes"} for at in range(10)]
    desk.rows(rows)
    return path


def test_what_asking_cost_is_what_an_answer_costs(desk):
    path = asked(desk, "cheapest(at = 0)", a=", price = [1, 8]", b=", price = [1, 1]")
    entry = quick(desk, path).manifest.entries[0]
    assert entry.report["costs"] == {"A": pytest.approx(1e-5), "B": pytest.approx(3e-6)}
    assert evaluate(Recipe.load(path), read_rows(desk.data)).calls == {"B": 10}


def test_asking_a_model_without_a_price_tells_no_cost(desk):
    entry = quick(desk, asked(desk, "one()", a=", price = [1, 8]")).manifest.entries[0]
    assert entry.report["costs"] == {"A": pytest.approx(1e-5), "B": None}
    with pytest.raises(Mistakes, match="the cost of `B` is not known"):
        quick(desk, asked(desk, "cheapest()", a=", price = [1, 8]"))
    report = evaluate(Recipe.load(asked(desk, "one()")), read_rows(desk.data), members=True)
    assert (report.unpriced, report.members["A"].cost) == (10, None)
    assert json.loads(json.dumps(report.as_dict()))["member_costs"] == {"A": None, "B": None}

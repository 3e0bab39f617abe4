"""Among equals every table names the same model, and a model that fails is not cheaper."""

import json
from math import nan

import pytest

from composer import load
from composer.evaluate import decide_only, evaluate, read_rows
from composer.evaluate.best import best_place


@pytest.mark.parametrize(
    ("qualities", "costs", "expected"),
    [
        ([0.1, 0.3, 0.2], [1, 9, 1], 1),
        ([0.5, 0.5, 0.5], [2, 1, 1], 1),
        ([0.5, 0.5], [nan, 1], 0),
        ([0.3, 0.1 + 0.2], [1, 1], 0),
    ],
)
def test_the_cheapest_of_equals_is_best_then_the_first(qualities, costs, expected):
    assert best_place(qualities, costs) == expected


def measured(path, answer, recorded):
    """Write what A and B gave to each row, and return the recipe and the rows."""
    rows = [{"id": f"r{at}", "query": f"q{at}", "recorded": row} for at, row in enumerate(recorded)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    models = "".join(f'model {name} = recorded("{path}", "{name}")\n' for name in "AB")
    return load(models + answer, root="/"), read_rows(path)


@pytest.mark.parametrize("cost", [None, 0.001])
def test_all_tables_name_the_same_of_equals(tmp_path, cost):
    one = {"correct": True, "cost": cost}
    recipe, rows = measured(
        tmp_path / "r.jsonl", "route(by = length()) -> [A, B]", [{"A": one, "B": one}] * 6
    )

    report = evaluate(recipe, rows)

    names = {report.best_member, report.router.best, report.worth.best.name}
    assert names == {decide_only(recipe, rows).router.best} == {"A"}


def test_failed_rows_do_not_lower_a_cost(tmp_path):
    a, b = {"correct": True, "cost": 0.001}, {"correct": True, "cost": 0.01}
    recorded = [{"A": a, "B": b}] * 6 + [{"B": b}] * 2
    recipe, rows = measured(tmp_path / "r.jsonl", "route(by = length()) -> [A, B]", recorded)

    report = evaluate(recipe, rows)

    assert report.errors == 2
    assert report.router.singles["A"].cost == pytest.approx(0.001)
    assert report.router.decided.cost == pytest.approx(0.001)

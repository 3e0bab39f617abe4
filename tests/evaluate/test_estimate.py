"""Estimates before anybody is asked: calls, tokens and dollars, held against what runs take."""

import json

import pytest

from composer.evaluate import estimate, read_rows
from composer.evaluate.estimate_text import estimated as report
from composer.evaluate.table import shown
from composer.recipe import Recipe
from composer.values import Usage

MODELS = """
model A = fake("1", price = [1, 2], confidence = 0.9)
model B = fake("2", price = [10, 20])
model C = fake("3")
model R = recorded("rows.jsonl", "r")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [
        {
            "id": f"q{at}",
            "query": f"what is {at} and {at}?",
            "recorded": {
                "r": {"text": f"{at % 2}", "correct": at == 1, "logprob": -0.1 * at},
                "A": {"text": "1", "correct": True, "completion_tokens": 6, "seconds": 0.5},
                "C": {"text": "3", "correct": False, "cost": 0.25},
            },
        }
        for at in range(4)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return tmp_path


@pytest.fixture
def estimated(folder):
    """Estimate an answer's expression on the four rows."""

    def make(answer, **options):
        recipe = Recipe.load(MODELS + answer + "\n")
        return estimate(recipe, read_rows(folder / "rows.jsonl"), **{"cache": False} | options)

    return make


def test_a_vote_that_stops_early_has_a_mean_number_of_answers(estimated):
    known = estimated("[R, R, R, A] -> vote(until = decided())")
    assert known.answers_a_row.as_list() == [1.0, 1.0]
    assert shown(report(known)).count("a row takes 1.00 answers in the mean") == 1
    guessed = estimated("[A, B, C] -> vote(until = decided())")
    assert guessed.answers_a_row.as_list() == guessed.as_dict()["answers_a_row"] == [2.0, 3.0]


def calls(one):
    ends = {name: each.amounts.calls for name, each in one.members.items()}
    return {name: (each.low, each.high) for name, each in ends.items()}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("[A, B] -> vote()", {"A": (4, 4), "B": (4, 4)}),
        ("[C, A, B] -> vote(until = decided())", {"C": (4, 4), "A": (4, 4), "B": (0, 4)}),
        ("[R, A, R] -> vote(until = decided())", {"R": (0, 0), "A": (4, 4)}),
        ("[sample(A, 3), B] -> extract(number()) -> vote()", {"A": (12, 12), "B": (4, 4)}),
        ("[A, B] -> rank(by = consensus()) -> top(1) -> regenerate(C)", {"C": (4, 4)}),
        ("cascade(A, B, C, accept = confidence > 0.5)", {"A": (4, 4), "B": (0, 4), "C": (0, 4)}),
        ("cascade(A, B, accept = length() < 3)", {"A": (4, 4), "B": (0, 4)}),
        ("A | B", {"A": (4, 4), "B": (0, 0)}),
        ("route(by = length()) -> [A, B]", {"A": (4, 4), "B": (0, 0)}),
        ("[A, B] -> rank(C, by = judge()) -> best()", {"A": (4, 4), "B": (4, 4), "C": (8, 8)}),
        ('A -> prompt("Check: {{ answer }}") -> [B, C] -> vote()', {"B": (4, 4), "C": (4, 4)}),
    ],
)  # fmt: skip
def test_calls_are_counted_by_walking_the_recipe(estimated, answer, expected):
    counted = calls(estimated(answer))
    assert {name: counted[name] for name in expected} == expected


def test_a_decision_that_only_models_can_make_may_take_any_branch(folder):
    recipe = Recipe.load(
        'use "zoo.ens" (general, maths, other)\nroute() -> [general, maths, other]\n'
    )
    one = estimate(recipe, read_rows(folder / "rows.jsonl"), cache=False)
    assert set(calls(one).values()) == {(4, 8)}  # each reads the question, one answers it
    assert (one.total.calls.low, one.total.calls.high) == (16, 16)


@pytest.mark.parametrize(
    "answer",
    [
        "[A, sample(B, 2)] -> vote()",
        "cascade(R, A, accept = confidence > 0.8)",
        "[A, B] -> select(C)",
    ],
)
def test_a_run_takes_no_more_and_no_less_than_the_ends_say(estimated, folder, answer):
    one = estimated(answer)
    with Recipe.load(MODELS + answer + "\n").ready() as ensemble:
        rows = read_rows(folder / "rows.jsonl")
        results = list(ensemble.map([row.question() for row in rows]))
    for name, each in one.members.items():
        if name == "R":
            continue
        spent = sum((result.members.get(name, Usage()) for result in results), Usage())
        assert each.amounts.calls.low <= spent.calls <= each.amounts.calls.high
        assert spent.completion_tokens <= each.amounts.completion_tokens.high


def test_recorded_answers_are_free_and_decide_what_follows(estimated):
    one = estimated("cascade(R, A, accept = confidence > 0.8)")
    assert calls(one)["A"] == (1, 1)  # only the last row's confidence is below
    assert one.members["R"].amounts.free.low == 4
    assert one.free_rows == 3


def test_dollars_come_from_prices_or_from_recorded_costs(estimated):
    one = estimated("[A, B, C] -> vote()")
    cost = {name: each.cost for name, each in one.members.items()}
    written = 6
    read = one.members["A"].amounts.prompt_tokens.low
    assert cost["A"].low == pytest.approx((read + 2 * 4 * written) / 1e6)
    assert cost["C"].low == cost["C"].high == pytest.approx(1.0)
    assert one.cost.low == pytest.approx(sum(each.low for each in cost.values()))
    assert one.members["A"].seconds.high == pytest.approx(2.0)
    assert one.untimed == ("B", "C")


def test_an_unknown_price_is_not_nothing(folder):
    recipe = Recipe.load('model D = fake("1")\nD\n')
    one = estimate(recipe, read_rows(folder / "rows.jsonl"), cache=False)
    assert one.unpriced == ("D",)
    assert one.members["D"].cost is None


def test_kept_answers_are_free_and_nothing_new_is_kept(estimated):
    recipe = Recipe.load(MODELS + "[A, B] -> vote()\n")
    assert estimated("[A, B] -> vote()", cache=True).total.calls.low == 8
    assert estimated("[A, B] -> vote()", cache=True).total.calls.low == 8
    with recipe.ready(cache=True) as ensemble:
        ensemble({"id": "q1", "query": "what is 1 and 1?"})
    one = estimated("[A, B] -> vote()", cache=True)
    assert (one.total.calls.low, one.free_rows) == (6, 1)


def test_rows_that_would_fail_are_named(folder):
    (folder / "other.jsonl").write_text('{"id": "x", "query": "never recorded"}\n')
    recipe = Recipe.load(MODELS + "[R, R] -> vote()\n")
    one = estimate(recipe, read_rows(folder / "other.jsonl"), cache=False)
    assert list(one.failures) == ["x"]

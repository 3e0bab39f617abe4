"""A recipe that asks several members is held against its best member, asked as often."""

import json
from pathlib import Path

import pytest

from composer import load
from composer.evaluate import compare, evaluate, read_rows, render

DATA = Path(__file__).parents[3] / "shared" / "data" / "recorded" / "thoughts_date.jsonl.gz"

SAID = {
    "A": ["x", "a", "a", "a"],
    "B": [["x", "b", "x"], ["x", "b", "b"], ["x", "x", "b"], ["c", "x", "x"]],
    "C": ["x", "x", "c", "c"],
}
"""What the members say to four questions, all with the answer x; B says three things to each.

B's first samples are right of three questions, A of one, C of two; the vote of B's three samples is
wrong of the second question only.
"""


@pytest.fixture(autouse=True)
def _width(monkeypatch):
    """Write lines of 100 columns, whoever runs the tests."""
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "rows.jsonl"
    rows = []
    for at in range(4):
        recorded = {name: {"text": SAID[name][at], "cost": 1} for name in "AC"}
        recorded["B"] = {"text": SAID["B"][at][0], "answers": SAID["B"][at], "cost": 2}
        rows.append({"id": f"q{at}", "query": f"q{at}", "reference": "x", "recorded": recorded})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def report(path, answer, **options):
    return evaluate(recipe(path, answer), read_rows(path), **options)


def recipe(path, answer):
    models = "".join(f'model {name} = recorded("{path}", "{name}")\n' for name in "ABC")
    return load(models + answer, root="/")


def test_the_best_member_votes_over_as_many_samples(data):
    calls, dollars = report(data, "[A, B, C] -> vote(ties = first())").equal

    assert (calls.member, calls.budget, calls.wanted, calls.samples) == ("B", "calls", 3, 3)
    assert calls.accuracy.mean == 3 / 4
    assert calls.cost == 6
    # The three say x, x, x; a, x, x; a, x, c; a, c, c: the recipe is right of two questions.
    assert calls.difference.mean == pytest.approx(2 / 4 - 3 / 4)
    # A question costs 4 dollars, which buys two samples of B; a tie goes to the first.
    assert (dollars.budget, dollars.wanted, dollars.samples) == ("dollars", 2, 2)
    assert dollars.accuracy.mean == 3 / 4
    assert dollars.cost == 4


def test_fewer_samples_than_calls_are_used_and_said(data):
    calls, _ = report(data, "[A, B, sample(C, 3)] -> vote(ties = first())").equal

    assert (calls.wanted, calls.samples) == (5, 3)
    assert "only 3 samples a row, not 5" in calls.reason


def test_without_samples_the_report_says_what_it_does_not_know(data, tmp_path):
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    for row in rows:
        del row["recorded"]["B"]["answers"]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    compared = compare([recipe(data, "[A, B, C] -> vote()")], read_rows(data))
    text = " ".join(render(compared, width=100).split())

    assert compared.reports[0].equal[0].accuracy is None
    assert "Not measured: B alone with a vote, at equal calls (3 samples) or equal" in text
    assert "record several samples of it (`answers`)" in text
    assert "So a gain over B may come from more calls" in text


LIVE = """\
model A = fake(knows = [["q0", "x"], ["q1", "b"], ["q2", "b"], ["q3", "b"]], confidence = 0.5)
model B = fake(knows = [["q0", "x"], ["q1", "x"], ["q2", "x"], ["q3", "b"]], confidence = 0.5)
"""


def test_a_member_that_can_be_asked_is_asked_only_on_demand(data):
    live = load(LIVE + "[A, B] -> rank() -> best()")
    rows = read_rows(data)
    for row in rows:
        row.recorded.clear()

    (on_demand,), (asked,) = (
        evaluate(live, rows, equal_calls=flag).equal for flag in (False, True)
    )

    assert on_demand.accuracy is None
    assert "add `--equal-calls`" in on_demand.reason
    assert (asked.samples, asked.accuracy.mean, asked.difference.settled) == (2, 3 / 4, False)


@pytest.mark.parametrize(
    "answer",
    [
        "A -> cascade(B, accept = length >= 1)",
        "route(by = length()) -> [A, B]",
        "B",
        "sample(B, 3) -> vote()",
    ],
)
def test_what_asks_one_or_few_or_one_member_needs_no_such_comparison(data, answer):
    assert report(data, answer).equal == ()


def test_json_has_the_baseline_or_the_reason(data):
    printed = json.loads(json.dumps(report(data, "[A, B, C] -> vote()").as_dict()))["equal_calls"]

    assert printed[0]["member"] == "B"
    assert printed[0]["samples"] == 3
    assert printed[0]["accuracy"] == 3 / 4


def test_the_report_that_people_see(data, golden):
    text = render(compare([recipe(data, "[A, B, C] -> vote(ties = first())")], read_rows(data)))
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("recipe "))

    golden(Path(__file__).parent / "golden" / "equal_calls.txt", kept)


@pytest.mark.skipif(not DATA.is_file(), reason="the recorded answers are not beside the checkout")
def test_three_prompts_are_no_better_than_three_samples_of_one():
    names = "gpt-3.5-turbo/cot1", "gpt-3.5-turbo/cot2", "gpt-3.5-turbo/pot1"
    models = "".join(
        f'model m{at} = recorded("{DATA}", "{name}")\n' for at, name in enumerate(names)
    )
    (equal,) = evaluate(
        load(models + "[m0, m1, m2] -> vote()", root="/"), read_rows(DATA, limit=120)
    ).equal

    assert (equal.member, equal.samples) == ("m2", 3)
    assert not equal.difference.low > 0

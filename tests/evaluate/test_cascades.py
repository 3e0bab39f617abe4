"""A cascade is held against what knows nothing of the answers, and its threshold is replayed."""

import json
from math import log

import pytest

from composer import load
from composer.evaluate import compare, evaluate, read_rows, render
from composer.evaluate.ahead import seconds_ahead
from composer.methods import rule
from composer.methods.margins import margin, threshold

SURE = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]
RIGHT = {"A": [1, 1, 1, 0, 1, 0, 0, 0], "B": [0, 1, 1, 1, 1, 1, 1, 1], "C": [1] * 8}
COST = {"A": 1, "B": 10, "C": 20}
"""How sure A is of its answers, who is right, and what an answer costs. C is surer than A."""


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "rows.jsonl"
    sure = {"A": SURE, "B": SURE[4:] + SURE[:4], "C": SURE}
    rows = [
        {
            "id": f"q{at}",
            "query": f"question {at} " + "and so on " * at,
            "reference": "x",
            "recorded": {
                name: {
                    "text": "x" if RIGHT[name][at] else f"{name}{at}",
                    "correct": bool(RIGHT[name][at]),
                    "logprob": log(sure[name][at]),
                    "cost": COST[name],
                }
                for name in "ABC"
            },
        }
        for at in range(8)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def recipe(path, answer):
    models = "".join(f'model {name} = recorded("{path}", "{name}")\n' for name in "ABC")
    return load(models + answer, root="/")


def report(path, answer):
    return evaluate(recipe(path, answer), read_rows(path))


FORMS = [
    "A -> cascade(B, accept = confidence >= 0.55)",
    "cascade(A, B, accept = confidence >= 0.55)",
    "cascade(A, B, accept = confidence >= 0.55) -> extract(whole())",
    "A -> cascade(B, accept = not confidence < 0.55)",
]


@pytest.mark.parametrize("answer", FORMS)
def test_the_table_of_two_stages_is_what_one_computes_by_hand(data, answer):
    cascade = report(data, answer).cascade

    assert cascade.decided.accuracy.mean == 7 / 8
    assert cascade.decided.cost == pytest.approx(1 + 10 / 2)
    assert cascade.shares == {"A": 0.5, "B": 0.5}
    assert [cascade.singles[name].accuracy.mean for name in "AB"] == [0.5, 7 / 8]
    assert [cascade.singles[name].cost for name in "AB"] == [1, 10]
    assert cascade.baselines["chance"].accuracy.mean == pytest.approx((0.5 + 7 / 8) / 2)
    assert cascade.baselines["chance"].cost == pytest.approx(5.5)
    assert cascade.baselines["zero-router"].accuracy.mean == pytest.approx(0.5 + 5 / 9 * 3 / 8)
    assert cascade.baselines["zero-router"].cost == pytest.approx(6)
    assert cascade.baselines["oracle"].accuracy.mean == 1
    assert cascade.baselines["oracle"].cost == pytest.approx((4 * 1 + 4 * 11) / 8)
    # The four longest questions go to B.
    assert cascade.baselines["prompt length"].accuracy.mean == pytest.approx((3 + 4) / 8)
    uses = {one.name: (one.asked, one.answered, one.calls, one.cost) for one in cascade.stages}
    assert uses == {"A": (1, 0.5, 1, 1), "B": (0.5, 0.5, 0.5, 5)}


MORE = [
    "cascade(A, B, C, accept = confidence >= {0.55})",
    "A -> cascade(B, C, accept = 1 - confidence <= {0.45} and confidence >= {0.3})",
    "[A, B, C] -> vote() -> cascade(C, accept = agreement >= {0.5})",
    "A -> cascade(B, accept = confidence >= 0.75) -> cascade(C, accept = confidence >= {0.5})",
]


def written(answer, shift):
    """Move the numbers in braces by a shift, in the direction of their comparison."""
    pieces = answer.replace("{", "|").replace("}", "|").split("|")
    for at in range(1, len(pieces), 2):
        sign = -1 if pieces[at - 1].endswith("<= ") else 1
        pieces[at] = repr(float(pieces[at]) + sign * shift)
    return "".join(pieces)


@pytest.mark.parametrize("answer", MORE)
def test_other_thresholds_give_what_a_run_with_them_gives(data, answer):
    now = report(data, written(answer, 0.0))
    points = now.cascade.thresholds

    assert now.cascade.decided.accuracy.mean == pytest.approx(now.accuracy)
    assert now.cascade.decided.cost == pytest.approx(now.cost / 8)
    assert sum(one.cost for one in now.cascade.stages) == pytest.approx(now.cost / 8)
    assert sum(one.calls for one in now.cascade.stages) == sum(now.calls.values()) / 8
    assert len(points) > 1
    for point in points[::3]:
        moved = recipe(data, written(answer, point.shift - 1e-9 * (point.shift != 0)))
        then = evaluate(moved, read_rows(data), members=False)
        assert point.accuracy.mean == pytest.approx(then.accuracy)
        assert point.cost == pytest.approx(then.cost / 8)


DECIDED = [
    ("A -> cascade(B, C, accept = thresholds(at = {}))", 0.55, "thresholds"),
    ('cascade(A, B, C, by = knn("{path}", k = 3), policy = one(cost = {}))', 1e-5, "settings"),
]


@pytest.mark.parametrize(("answer", "value", "moved"), DECIDED)
def test_a_cascade_that_a_part_decides_is_replayed_at_other_settings(data, answer, value, moved):
    def at(setting, *, members=False):
        text = answer.replace("{path}", str(data)).replace("{}", repr(setting))
        return evaluate(recipe(data, text), read_rows(data), members=members)

    now = at(value, members=True)
    cascade = now.cascade

    assert cascade.moved == moved
    assert cascade.decided.accuracy.mean == pytest.approx(now.accuracy)
    assert cascade.decided.cost == pytest.approx(now.cost / 8)
    assert sum(one.cost for one in cascade.stages) == pytest.approx(now.cost / 8)
    assert len(cascade.thresholds) > 1
    for point in cascade.thresholds[::3]:
        then = at(value + point.shift - 1e-9 * (point.shift != 0 and moved == "thresholds"))
        assert point.accuracy.mean == pytest.approx(then.accuracy)
        assert point.cost == pytest.approx(then.cost / 8)


def test_a_stage_that_begins_ahead_is_paid_too(data):
    now, ahead = (
        report(data, f"cascade(A, B, C, accept = confidence >= 0.55{more})").cascade
        for more in ("", ", ahead = true")
    )

    assert ahead.decided.accuracy == now.decided.accuracy
    assert ahead.shares == now.shares
    assert [one.asked for one in now.stages] == [1, 0.5, 0.0]
    assert [one.asked for one in ahead.stages] == [1, 1, 0.5]
    assert ahead.decided.cost == pytest.approx(1 + 10 + 20 / 2)


@pytest.mark.parametrize(
    ("count", "begun", "seconds"),
    [(1, False, 1), (2, False, 2), (3, False, 5), (1, True, 1), (2, True, 3), (3, True, 5)],
)
def test_stages_that_begin_ahead_run_side_by_side(count, begun, seconds):
    """Stages of 1, 2 and 4 seconds; each begins when the one before it is waited for."""
    assert seconds_ahead([1, 2, 4], count, begun=begun) == seconds


def test_members_of_a_first_stage_that_votes_stand_beside(data):
    cascade = report(data, MORE[2].replace("{0.5}", "0.5")).cascade

    assert list(cascade.shares) == ["vote", "C"]
    assert set(cascade.singles) == {"vote", "C", "A", "B"}
    assert cascade.singles["vote"].cost == 31
    assert cascade.stages[0].calls == 3


def test_stages_are_asked_only_where_the_run_did_not_reach_them(data, monkeypatch):
    from composer.backends.recorded import Replay

    asked = []
    generate = Replay.generate

    async def counting(self, request, on_text=None):
        asked.append((self.name, request.query.id))
        return await generate(self, request, on_text)

    monkeypatch.setattr(Replay, "generate", counting)
    report(data, FORMS[0])

    # A, then B on half of the rows, in the run; both again where only A was asked.
    assert sorted(asked) == sorted(
        [("A", f"q{at}") for at in range(8)]
        + [("A", f"q{at}") for at in range(4)]
        + [("B", f"q{at}") for at in range(8)]
    )


def test_a_stage_that_fails_leaves_its_row_out(data):
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    del rows[7]["recorded"]["A"]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))

    assert report(data, FORMS[0]).cascade.rows == 7


def test_without_dollars_going_on_to_the_better_stage_is_the_cost(data):
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    for row in rows:
        for kept in row["recorded"].values():
            del kept["cost"]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    cascade = report(data, FORMS[0]).cascade

    assert (cascade.unit, cascade.decided.cost) == ("calls", 0.5)
    assert cascade.figures["apgr"].mean > 0.5


def test_a_stage_of_unknown_cost_is_not_taken_for_free(data):
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    for row in rows:
        del row["recorded"]["B"]["cost"]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    measured = report(data, FORMS[0])

    assert measured.cascade.unit == "calls"
    assert measured.cascade.unpriced == ("B",)
    assert measured.worth.zero is None


def test_only_the_cascade_that_gives_the_answer_is_judged(data):
    inner = "[A, A -> cascade(B, accept = confidence >= 0.55)] -> vote()"

    assert report(data, inner).cascade is None
    assert report(data, "A -> cascade(B, accept = true)").cascade is None


def test_json_has_the_stages_and_the_thresholds(data):
    printed = json.loads(json.dumps(report(data, FORMS[0]).as_dict(), allow_nan=False))["cascade"]

    assert [one["stage"] for one in printed["stages"]] == ["A", "B"]
    assert {"threshold", "shift", "accuracy", "cost"} <= set(printed["thresholds"][0])
    assert printed["worth"]["zero_router"]["difference"] == pytest.approx(7 / 8 - 0.5 - 5 / 24)


def test_two_cascades_are_compared_in_their_curves(data):
    rows = read_rows(data)
    other = "A -> cascade(B, accept = length >= 2)"

    both = compare([recipe(data, FORMS[0]), recipe(data, other)], rows)

    assert {one.measure for one in both.differences} == {"accuracy", "apgr", "aiq"}


def test_the_report_that_people_see(data, golden):
    from pathlib import Path

    compared = compare([recipe(data, FORMS[0])], read_rows(data))
    text = render(compared, width=100)
    head, _, rest = text.partition("\n\n")

    golden(Path(__file__).parent / "golden" / "cascade.txt", rest)
    assert head.startswith("8 rows")


def rule_of(text):
    return next(
        value
        for value in load(
            f'model A = fake("x")\nmodel B = fake("y")\nA -> cascade(B, accept = {text})'
        )
        .compiled.answer.values()
        .values()
        if isinstance(value, rule.Rule)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("confidence >= 0.5", 0.25),
        ("confidence > 1", -0.25),
        ("confidence <= 0.5", -0.25),
        ("confidence >= 0.5 and length >= 2", 0.25),
        ("confidence >= 0.5 or length >= 2", 1),
        ("not (confidence >= 0.5 and length >= 2)", -0.25),
        ("2 * confidence - length >= -2", 0.5),
        ("length == 3", float("inf")),
        ("length != 3", float("-inf")),
        ("agreement >= 0.1", float("-inf")),
        ("not agreement >= 0.1", float("-inf")),
        ("agreement >= 0.1 or confidence >= 0.5", 0.25),
    ],
)
def test_the_margin_is_how_far_the_thresholds_may_rise(text, expected):
    signals = {"confidence": 0.75, "length": 3.0, "agreement": None}

    assert margin(rule_of(text), signals) == pytest.approx(expected)


def test_a_rule_of_one_comparison_has_a_threshold():
    assert threshold(rule_of("confidence >= 0.5")) == ("confidence", ">=", 0.5)
    assert threshold(rule_of("confidence >= 0.5 and length > 2")) is None
    assert threshold(rule_of("confidence - length >= 0.5")) is None

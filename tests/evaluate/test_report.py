"""A recipe is measured beside its members, chance and the perfect choice."""

import json
from dataclasses import replace

import pytest

from composer import load
from composer.evaluate import Comparison, EvaluationRow, compare, evaluate, read_rows, render
from composer.values import Usage

REFERENCES = ["1", "2", "3", "4"]
ROWS = [
    EvaluationRow(str(i), f"q{i}", (reference,), tags=("even" if i % 2 else "odd", "all"))
    for i, reference in enumerate(REFERENCES)
]
A, B = ["1", "2", "0", "0"], ["1", "0", "3", "4"]
"""What the two members say to the four questions."""


def fake(name, answers, confidence):
    knows = ", ".join(f'["q{i}", "{answer}"]' for i, answer in enumerate(answers))
    options = f"confidence = {confidence}, price = [1000, 2000]"
    return f"model {name} = fake(knows = [{knows}], {options})"


def recipe(answer, *more):
    """A recipe over A, the surer, and B, the better."""
    return load("\n".join([fake("A", A, 0.9), fake("B", B, 0.5), *more, answer]))


def surest():
    return recipe("[A, B] -> rank() -> best()")


@pytest.fixture
def report():
    return evaluate(surest(), ROWS)


def test_accuracy_and_interval(report):
    assert report.accuracy == 0.5
    assert report.interval.low <= 0.5 <= report.interval.high


def test_members_chance_and_oracle(report):
    assert {name: one.accuracy for name, one in report.members.items()} == {"A": 0.5, "B": 0.75}
    assert report.best_member == "B"
    assert report.random == pytest.approx(0.625)
    assert report.oracle == 1.0


def test_a_reward_model_is_no_member():
    more = ('use "zoo.ens" (steps_reward)',)
    report = evaluate(recipe("[A, B] -> rank(by = reward(steps_reward)) -> best()", *more), ROWS)
    assert list(report.members) == ["A", "B"]
    assert report.random == pytest.approx(0.625)


def test_cost_tokens_and_calls_are_those_of_the_recipe(report):
    assert report.calls == {"A": 4, "B": 4}
    assert (report.prompt_tokens, report.completion_tokens, report.tokens) == (8, 8, 16)
    assert report.cost == pytest.approx((8 * 1000 + 8 * 2000) / 1e6)
    assert report.members["A"].cost == pytest.approx(report.cost / 2)


def test_only_the_models_that_the_answer_can_reach_are_members():
    report = evaluate(recipe("A", 'model C = fake("0")'), ROWS)

    assert list(report.members) == ["A"]


def test_tokens_that_no_answer_has_are_unknown(report):
    unknown = replace(report, prompt_tokens=0, completion_tokens=0)

    printed = unknown.as_dict()

    assert [printed[name] for name in ("tokens", "prompt_tokens", "completion_tokens")] == [
        None
    ] * 3
    assert replace(unknown, calls={}).tokens == 0


def test_a_member_that_costs_nothing_is_shown_with_its_cost(report):
    members = {"A": replace(report.members["A"], cost=0.0), "B": report.members["B"]}

    lines = drawn(replace(report, members=members)).splitlines()

    assert next(line for line in lines if line.startswith("  A ")).split()[1:] == [
        "50.0",
        "%",
        "$0",
    ]


def test_tags(report):
    assert (report.tags["even"].rows, report.tags["even"].accuracy) == (2, 0.5)
    assert report.tags["all"].rows == 4


def test_json_has_the_documented_keys(report):
    printed = json.loads(json.dumps(report.as_dict()))

    assert {
        *("rows", "accuracy", "interval", "members", "best_member", "random", "oracle"),
        *("cost", "tokens", "seconds", "tags"),
    } <= set(printed)
    assert printed["members"] == {"A": 0.5, "B": 0.75}
    assert len(printed["interval"]) == 2


def test_what_was_recorded_of_a_member_is_not_asked_again():
    rows = [
        EvaluationRow(
            row.id, row.query, row.references, recorded={"A": {"correct": True, "cost": 2}}
        )
        for row in ROWS
    ]

    report = evaluate(recipe("B -> cascade(A)"), rows)

    assert (report.members["A"].accuracy, report.members["A"].cost) == (1.0, 8.0)
    assert report.members["B"].accuracy == 0.75


def test_members_are_asked_with_the_options_of_the_recipe():
    short = "default generate(max_tokens = 1)"
    long = 'model L = fake("1 2 3")'

    report = evaluate(recipe("L", short, long), ROWS[:1])

    assert report.members["L"].accuracy == 1.0


@pytest.fixture
def asked(monkeypatch):
    """How often each fake model was asked."""
    from collections import Counter

    from composer.backends.fake import FakeClient

    counts = Counter()
    generate = FakeClient.generate

    async def counting(self, request, on_text=None):
        counts[self.name] += 1
        return await generate(self, request, on_text)

    monkeypatch.setattr(FakeClient, "generate", counting)
    return counts


def test_what_a_member_said_in_the_run_is_not_asked_again(asked):
    report = evaluate(surest(), ROWS)

    assert report.members["B"].accuracy == 0.75
    assert asked == {"A": 4, "B": 4}


def test_what_a_member_said_to_another_question_does_not_count(asked):
    report = evaluate(recipe('prompt("again: q0") -> B'), ROWS)

    assert (report.accuracy, report.members["B"].accuracy) == (0.25, 0.75)
    assert asked == {"B": 8}


def test_members_that_two_recipes_share_are_asked_once(asked):
    compare([recipe('prompt("again: q0") -> B'), recipe('prompt("again: q1") -> B')], ROWS)

    assert asked == {"B": 12}


def test_members_can_be_left_out():
    report = evaluate(surest(), ROWS, members=False)

    assert (report.members, report.random, report.best_member) == ({}, None, None)


def test_failed_rows_are_wrong_and_counted():
    report = evaluate(recipe("F", "model F = fake(fails = true)"), ROWS)

    assert (report.errors, report.accuracy) == (4, 0.0)


def test_a_cascade_is_judged_by_its_last_answer():
    report = evaluate(recipe("B -> cascade(A)"), ROWS)

    assert report.accuracy == 0.5
    assert report.calls == {"B": 4, "A": 4}


def test_rows_that_nothing_judges_are_left_out():
    report = evaluate(surest(), [*ROWS, EvaluationRow("4", "q4")])

    assert (report.rows, report.judged, report.accuracy) == (5, 4, 0.5)


def test_without_any_judgement_the_accuracy_is_unknown():
    report = evaluate(surest(), [EvaluationRow("0", "q")])

    assert report.accuracy is None
    assert report.ungraded_reason == "0: the row has no `reference`"
    assert report.as_dict()["interval"] is None


def test_answers_are_seen_as_they_come():
    seen = []

    evaluate(surest(), ROWS, members=False, on_result=lambda result: seen.append(result.id))

    assert seen == ["0", "1", "2", "3"]


def test_recipes_are_compared_in_pairs():
    both = compare([recipe("A"), recipe("B")], ROWS)

    (difference,) = both.as_dict()["differences"]

    assert difference["difference"] == 0.25
    assert difference["settled"] is False
    assert [one["accuracy"] for one in both.as_dict()["recipes"]] == [0.5, 0.75]


def test_one_recipe_prints_its_report(report):
    assert Comparison((report,)).as_dict() == report.as_dict()


GOLDEN = """\
4 rows                      accuracy           95%    cost  tokens  seconds
───────────────────────────────────────────────────────────────────────────
recipe                        50.0 %  0.0 to 100.0  $0.024      16      1.2
  A                           50.0 %                $0.012
  B (best member)             75.0 %                $0.012
  a member by chance          62.5 %
  the right member, always   100.0 %

tag   rows  accuracy  B alone    difference
───────────────────────────────────────────
all      4    50.0 %   75.0 %  too few rows
even     2    50.0 %   50.0 %  too few rows
odd      2    50.0 %  100.0 %  too few rows

Verdict: not shown to be worth its cost. It is not surely better or worse than
B, the best single model, at 2.00 times its cost.
It does not beat the best single model, B: -25.0 points (-100.0 to +50.0, not
significant). It costs 2.00 times as much.
Not measured: B alone with a vote, at equal calls and dollars (2 samples): add
`--equal-calls` to ask for them. So a gain over B may come from more calls, not
from the other members.

"""


def drawn(*reports):
    return render(Comparison(reports), width=80)


def test_the_table_that_people_see(report):
    assert drawn(replace(report, seconds=1.24)) == GOLDEN


def test_what_the_numbers_leave_out_is_said_below_them(report):
    text = drawn(replace(report, rows=6, errors=1, ungraded=2, ungraded_reason="5: no reference"))

    assert "1 row failed and counts as wrong." in text
    assert "2 answers could not be graded and did not count." in text
    assert "The first is 5: no reference." in " ".join(text.split())


def test_rows_that_were_not_asked_and_the_judge_are_told(report):
    text = drawn(replace(report, not_asked=2, judging=Usage(3, 10, 10, 0.25)))

    assert "2 rows could not be asked, since the budget was spent," in text
    assert "The judge took 3 calls and $0.25, which are not counted above." in text


def test_differences_are_said_in_words(report):
    better = evaluate(recipe("B"), ROWS, members=False)

    assert "recipe over recipe: +25.0 points (-50.0 to +100.0, not significant) on 4 rows" in drawn(
        report, better
    )


def test_unknown_costs_count_alike_in_every_line_and_no_cost_is_compared(tmp_path):
    path = tmp_path / "rows.jsonl"
    lines = [
        {"query": f"q{at}", "reference": "r", "recorded": {
            name: {"text": "r"} | ({"cost": cost} if at % 2 else {})
            for name, cost in (("A", 0.25), ("B", 0.5), ("C", 0.5))
        }}
        for at in range(4)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))
    three = [f'model {name} = recorded("{path}", "{name}")' for name in "ABC"]

    one = evaluate(load("\n".join([*three, "[A, B, C] -> vote()"]), root="/"), read_rows(path))

    assert [member.cost for member in one.members.values()] == [1.0, 2.0, 2.0]
    assert (one.estimated_cost, one.unpriced) == (5.0, 6)
    assert one.worth.best.ratio is None
    assert "The cost of 6 calls is not known." in drawn(one)

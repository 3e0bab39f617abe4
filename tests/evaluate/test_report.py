"""A recipe is measured beside its members, chance and the perfect choice."""

import json
from contextlib import nullcontext
from dataclasses import dataclass, field

import pytest
from rich.console import Console

from composer.evaluate import Comparison, Row, evaluate, evaluate_all
from composer.models import BACKENDS


@dataclass
class Result:
    id: str
    answer: str | None
    members: dict = field(default_factory=dict)
    error: str | None = None


@dataclass
class Made:
    """A recipe with answers made up: each row's answer by model, and which model is chosen."""

    name: str
    answers: dict
    chosen: str = "A"
    fails: tuple = ()
    asked: list = field(default_factory=list)

    @property
    def models(self):
        return {name: BACKENDS["fake"]() for name in self.answers}

    def ready(self):
        return nullcontext(self)

    def alone(self, model):
        self.asked.append(model)
        return Made(model, {model: self.answers[model]}, model)

    def map(self, rows):
        for row in reversed(list(rows)):
            usage = {"calls": 1, "prompt_tokens": 10, "completion_tokens": 2, "cost": 0.01}
            if row["id"] in self.fails:
                yield Result(row["id"], None, error="time-out")
            else:
                said = self.answers[self.chosen][int(row["id"])]
                yield Result(row["id"], said, {self.chosen: usage})


REFERENCES = ["1", "2", "3", "4"]
ROWS = [
    Row(str(i), f"q{i}", (reference,), tags=("even" if i % 2 else "odd", "all"))
    for i, reference in enumerate(REFERENCES)
]
ANSWERS = {"A": ["1", "2", "0", "0"], "B": ["1", "0", "3", "4"]}


@pytest.fixture
def report():
    return evaluate(Made("pick.ens", ANSWERS), ROWS)


def test_accuracy_and_interval(report):
    assert report.accuracy == 0.5
    assert report.interval.low <= 0.5 <= report.interval.high


def test_members_chance_and_oracle(report):
    assert {name: one.accuracy for name, one in report.members.items()} == {"A": 0.5, "B": 0.75}
    assert report.best_member == "B"
    assert report.random == pytest.approx(0.625)
    assert report.oracle == 1.0


def test_cost_tokens_and_calls_are_those_of_the_recipe(report):
    assert report.cost == pytest.approx(0.04)
    assert (report.prompt_tokens, report.completion_tokens, report.tokens) == (40, 8, 48)
    assert report.calls == {"A": 4}


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


def test_what_was_recorded_is_not_asked_again():
    rows = [
        Row(row.id, row.query, recorded={"A": {"correct": True, "cost": 2}}, tags=row.tags)
        for row in ROWS
    ]
    made = Made("a.ens", {"A": ANSWERS["A"]})

    report = evaluate(made, rows)

    assert made.asked == []
    assert (report.members["A"].accuracy, report.members["A"].cost) == (1.0, 8.0)


def test_members_can_be_left_out():
    made = Made("a.ens", ANSWERS)

    report = evaluate(made, ROWS, members=False)

    assert made.asked == []
    assert (report.members, report.random, report.best_member) == ({}, None, None)


def test_failed_rows_are_wrong_and_counted():
    report = evaluate(Made("a.ens", ANSWERS, fails=("0",)), ROWS)

    assert (report.errors, report.accuracy) == (1, 0.25)


def test_rows_that_nothing_judges_are_left_out():
    rows = [*ROWS, Row("4", "q4")]
    answers = {"A": [*ANSWERS["A"], "5"]}

    report = evaluate(Made("a.ens", answers), rows)

    assert (report.rows, report.judged, report.accuracy) == (5, 4, 0.5)


def test_without_any_judgement_the_accuracy_is_unknown():
    report = evaluate(Made("a.ens", {"A": ["1"]}), [Row("0", "q")])

    assert report.accuracy is None
    assert report.as_dict()["interval"] is None


def test_answers_are_seen_as_they_come():
    seen = []

    evaluate(
        Made("a.ens", ANSWERS), ROWS, members=False, seen=lambda result: seen.append(result.id)
    )

    assert seen == ["3", "2", "1", "0"]


def test_recipes_are_compared_in_pairs():
    both = evaluate_all([Made("a.ens", ANSWERS), Made("b.ens", ANSWERS, "B")], ROWS)

    (difference,) = both.as_dict()["differences"]

    assert (difference["recipe"], difference["than"]) == ("b.ens", "a.ens")
    assert difference["difference"] == 0.25
    assert difference["settled"] is False
    assert [one["accuracy"] for one in both.as_dict()["recipes"]] == [0.5, 0.75]


def test_one_recipe_prints_its_report(report):
    assert Comparison((report,)).as_dict() == report.as_dict()


GOLDEN = """\
4 rows                      accuracy          95%     cost  tokens  seconds
───────────────────────────────────────────────────────────────────────────
pick.ens                      25.0 %  0.0 to 75.0  $0.0300      36      1.2
  A                           50.0 %               $0.0400
  B (best member)             75.0 %               $0.0400
  a member by chance          62.5 %
  the right member, always   100.0 %

tag   rows  accuracy
────────────────────
all      4    25.0 %
even     2    50.0 %
odd      2     0.0 %
1 of the rows failed and count as wrong.

"""


def test_the_table_that_people_see(monkeypatch):
    ticks = iter([0.0, 1.24])
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks))
    report = evaluate(Made("pick.ens", ANSWERS, fails=("0",)), ROWS)
    console = Console(width=80, color_system=None, force_terminal=False)

    with console.capture() as capture:
        console.print(Comparison((report,)))

    drawn = "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"
    assert drawn == GOLDEN

"""Tuning: the values that are tried, the metric, and what is said of rows left out."""

import json
import math

import pytest

from composer.evaluate import Grading, read_rows
from composer.evaluate.axes import axis_of, candidates
from composer.evaluate.metric import metric_of
from composer.evaluate.tuning import Trials, tune
from composer.evaluate.tuning_text import equal_settings_text
from composer.recipe import Recipe
from composer.run import Failure

CASCADE = """param doubt: float = 0.0
model weak = recorded("rows.jsonl", "weak")
model strong = recorded("rows.jsonl", "strong")

cascade(weak, strong, accept = confidence >= doubt)
"""


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a=0.1..0.5", ["0.1", "0.2", "0.3", "0.4", "0.5"]),
        ("a=1..3", ["1", "2", "3"]),
        ("a=log:0.01..100", ["0.01", "0.1", "1.0", "10.0", "100.0"]),
        ("a=-2..2", ["-2", "-1", "0", "1", "2"]),
        ("a=exact(), f1(least = 0.5) ,number()", ["exact()", "f1(least = 0.5)", "number()"]),
        ('a="x, y","z"', ['"x, y"', '"z"']),
    ],
)  # fmt: skip
def test_an_axis_is_a_range_or_a_list(text, values):
    assert axis_of(text).grid(5) == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("doubt", "write NAME=LOW..HIGH"),
        ("a=0.9..0.1", "is empty"),
        ("a=0.5..0.5", "is empty"),
        ("a=x..y", "are numbers"),
        ("a=1..", "are numbers"),
        ("a=log:0..1", "begins above 0"),
        ("a=1,,2", "is empty"),
        ("a=1", "one value only"),
        ("a=0.5-0.9", "did you mean `a=0.5..0.9`"),
        ("a=1:4", "did you mean `a=1..4`"),
        ("a=0..inf", "are numbers"),
    ],
)
def test_what_is_no_axis_says_why(text, message):
    with pytest.raises(ValueError, match=message):
        axis_of(text)


def test_two_axes_are_a_grid_and_three_are_sampled_by_the_seed():
    two = candidates([axis_of("a=0..1.5"), axis_of("b=x,y")], 10, seed=0)
    assert len(two) == 10
    assert {each["b"] for each in two} == {"x", "y"}
    axes = [axis_of(f"{name}=0.0..1.0") for name in "abc"]
    three = candidates(axes, 20, seed=0)
    assert len(three) == 20
    assert three == candidates(axes, 20, seed=0) != candidates(axes, 20, seed=1)
    tenths = sorted(int(float(each["a"]) * 10) for each in three)
    assert tenths == sorted([*range(10), *range(10)])  # every tenth of an axis is tried as often


def test_a_long_list_is_sampled_and_not_cut():
    chosen = candidates([axis_of("a=" + ",".join(map(str, range(1000))))], 10, seed=0)
    assert len(chosen) == 10
    assert max(int(each["a"]) for each in chosen) > 800


@pytest.mark.parametrize(
    ("text", "value", "sign"),
    [
        ("accuracy", 0.5, 1),
        ("accuracy - 20*cost", 0.1, 1),
        ("cost", 0.02, -1),
        ("cost + 0.001 * calls", 0.023, -1),
        ("-cost", -0.02, 1),
        ("2*accuracy - (cost + tokens*0.01)", -0.02, 1),
    ],
)
def test_a_metric_is_a_sum_of_figures(text, value, sign):
    figures = {"accuracy": 0.5, "cost": 0.02, "tokens": 100, "calls": 3}
    metric = metric_of(text)
    assert metric.of(figures) == pytest.approx(value)
    assert metric.sign == sign


@pytest.mark.parametrize(
    "text", ["acuracy", "accuracy / cost", "1", "", "open('x')", "accuracy > 1"]
)
def test_what_is_no_metric_is_refused(text):
    with pytest.raises(ValueError, match=r"metric|formula|measures"):
        metric_of(text)


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """Rows where the weak model is right exactly where its confidence is above a half."""
    monkeypatch.chdir(tmp_path)
    lines = []
    for at in range(80):
        sure = at % 3 > 0
        weak = {"text": "4" if sure else "5", "correct": sure, "logprob": -0.3 if sure else -1.2}
        strong = {"text": "4", "correct": True}
        outcomes = {"weak": weak | {"cost": 0.001}, "strong": strong | {"cost": 0.01}}
        lines.append({"id": f"q{at}", "query": f"{at}?", "reference": "4", "recorded": outcomes})
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return read_rows(path)


def search(metric, **options):
    return Trials(lambda each: Recipe.load(CASCADE, each), metric_of(metric), Grading(), **options)


def test_the_best_values_are_judged_on_rows_left_out(rows):
    settings = [{"doubt": each} for each in ("0.2", "0.4", "0.8")]
    one = tune(search("accuracy - cost"), settings, rows)
    assert one.best.settings == {"doubt": "0.4"}  # all that are wrong are asked again, no others
    assert one.best_held_out.mean("accuracy") == 1
    assert set(one.best_held_out.values).isdisjoint(one.best.tuning.values)
    assert one.gain.low > 0.1
    assert one.overfit.mean == pytest.approx(one.tuning_gain.mean - one.gain.mean)


def test_where_less_is_better_the_present_values_stay(rows):
    one = tune(search("cost"), [{"doubt": "0.9"}], rows)
    assert one.best.settings == {}
    assert one.gain.mean == one.overfit.mean == 0


def test_a_spent_budget_ends_the_search_with_what_was_found(rows):
    settings = [{"doubt": each} for each in ("0.5", "0.9")]
    one = tune(search("accuracy", budget=0.85), settings, rows)
    assert one.stopped == "the budget of $0.85 is spent"
    assert (len(one.trials), one.best.settings) == (1, {"doubt": "0.5"})


def test_too_few_rows_are_refused(rows):
    with pytest.raises(Failure, match="too few") as caught:
        tune(search("accuracy"), [], rows[:3])
    assert caught.value.code == "E719"


def test_an_unknown_cost_is_not_nothing(rows):
    text = 'model A = fake("4")\nA\n'
    free = Trials(lambda each: Recipe.load(text, each), metric_of("accuracy"), Grading())
    assert math.isnan(free.measure({}, rows[:2]).mean("cost"))
    priced = Trials(lambda each: Recipe.load(text, each), metric_of("-cost"), Grading())
    with pytest.raises(Failure, match="the cost of 2 answers is not known"):
        priced.measure({}, rows[:2])


def test_answers_are_asked_for_once(tmp_path, rows):
    text = 'param n: int = 2\nmodel A = fake("4", price = [1, 1])\nsample(A, n) -> vote()\n'
    several = Trials(
        lambda each: Recipe.load(text, each), metric_of("cost"), Grading(), tmp_path / "a"
    )
    first, again = several.measure({}, rows[:4]), several.measure({"n": "3"}, rows[:4])
    assert again.mean("calls") == 3
    assert again.mean("cost") == pytest.approx(1.5 * first.mean("cost"))
    assert several.spent == pytest.approx(4 * again.mean("cost"))  # two of three were kept


def test_settings_of_one_outcome_are_one_line():
    tried = [{"a": value, "b": text} for value in ("0.1", "0.9", "0.3", "0.5") for text in "xy"]

    assert equal_settings_text([{"a": "0.3", "b": "x"}], tried) == "a = 0.3, b = x"
    rows = [{"a": value, "b": "x"} for value in ("0.5", "0.1", "0.3")]
    assert equal_settings_text(rows, tried) == "a = 0.1 to 0.5, b = x"
    assert equal_settings_text(tried[:4], tried) == "a = 0.1 or 0.9, b = x or y"
    assert equal_settings_text([tried[0], tried[3]], tried) == "a = 0.1, b = x and 1 equal"

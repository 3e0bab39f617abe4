"""Votes that were tied, graded in expectation over who wins."""

import pytest

from composer.evaluate import EvaluationRow, evaluate
from composer.evaluate.row_log import RowLog
from composer.recipe import Recipe

MODELS = """
model A = fake(says = "it is 5")
model B = fake(says = "it is 6")
model C = fake(knows = [["two", "it is 5"]], says = "it is 7")
"""
ROWS = [EvaluationRow("1", "one", ("5",)), EvaluationRow("2", "two", ("5",))]


def report(text, **how):
    return evaluate(Recipe.load(f"{MODELS}{text}\n"), ROWS, members=False, **how)


@pytest.mark.parametrize(
    ("text", "rows", "expected"),
    [
        ("[A, B] -> extract(number()) -> vote()", 2, 0.5),
        ("[A, B, C] -> extract(number()) -> vote()", 1, (1 / 3 + 1) / 2),
        ("[A, B, C] -> extract(number()) -> vote(until = decided())", 1, (1 / 3 + 1) / 2),
        ("[A, B, C] -> vote() -> extract(number())", 1, (1 / 3 + 1) / 2),
        ("[A, B] -> extract(number()) -> vote(ties = first())", 2, 0.5),
    ],
)
def test_a_tied_row_counts_with_the_mean_over_its_leaders(text, rows, expected):
    ties = report(text).ties
    assert (ties.rows, ties.accuracy.mean) == (rows, pytest.approx(expected))
    assert ties.accuracy.low <= expected <= ties.accuracy.high


def test_without_a_tie_there_is_one_figure():
    one = report("[A, A, B] -> extract(number()) -> vote()")
    assert (one.ties, one.as_dict()["ties"], one.accuracy) == (None, None, 1.0)


@pytest.mark.parametrize(
    "text",
    [
        "[[A, B] -> extract(number()) -> vote(), B, B] -> extract(number()) -> vote()",
        "[[A, B] -> extract(number()) -> vote(), B] -> rank(by = longest()) -> best()",
        '[A, B] -> vote() -> prompt("""{{ answer }}""") -> A',
    ],
)
def test_a_tie_that_something_else_decides_is_none(text):
    assert report(text).ties is None


def test_a_log_keeps_the_expectation(tmp_path):
    recipe = Recipe.load(f"{MODELS}[A, B] -> extract(number()) -> vote()\n")
    of_recipe = {recipe.fingerprint: recipe.name}
    with RowLog(tmp_path / "log.jsonl", recipes=of_recipe) as log:
        first = evaluate(recipe, ROWS, members=False, log=log)
    with RowLog(tmp_path / "log.jsonl", recipes=of_recipe) as log:
        asked = []
        again = evaluate(recipe, ROWS, members=False, log=log, on_result=asked.append)
    assert (again.ties, asked) == (first.ties, [])
    assert first.ties.rows == 2

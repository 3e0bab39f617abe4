"""Cases that real data have: each is a stated rule or a clear error, in runs and in reports."""

import json
from math import log

import pytest

from composer import load
from composer.evaluate import evaluate, read_rows
from composer.recipe import Mistakes

SURE, DOUBT = {"logprob": log(0.9)}, {"logprob": log(0.2)}


def rows_of(path, *outcomes):
    """Write a row for each pair of outcomes of A and B; None is a model without an answer."""
    rows = []
    for at, pair in enumerate(outcomes):
        recorded = {
            name: {"text": "x", "correct": True, "cost": cost} | outcome
            for name, cost, outcome in zip("AB", (1, 10), pair, strict=True)
            if outcome is not None
        }
        row = {"id": f"q{at}", "query": f"Why {at}?", "reference": "x", "recorded": recorded}
        rows.append(json.dumps(row) + "\n")
    path.write_text("".join(rows))
    return path


def made(path, text):
    models = "".join(f'model {name} = recorded("{path}", "{name}")\n' for name in "AB")
    return load(models + text, root="/")


DECIDES = ["accept = confidence >= 0.5", "accept = thresholds(at = 0.5)"]


@pytest.mark.parametrize("how", DECIDES)
@pytest.mark.parametrize("odd", [{}, {"logprob": None}])
def test_a_probability_that_is_missing_asks_the_next_stage(tmp_path, how, odd):
    data = rows_of(tmp_path / "r.jsonl", (SURE, SURE), (odd, SURE))
    report = evaluate(made(data, f"cascade(A, B, {how})"), read_rows(data)).cascade
    assert [one.asked for one in report.stages] == [1, 0.5]
    assert report.decided.cost == pytest.approx((1 + 11) / 2)


def test_an_infinite_probability_in_a_file_is_refused_with_its_line(tmp_path):
    data = rows_of(tmp_path / "r.jsonl", (SURE, SURE), ({"logprob": float("-inf")}, SURE))
    with pytest.raises(Mistakes) as error:
        made(data, "cascade(A, B)")
    assert "r.jsonl:2: `-Infinity` is not a JSON number" in str(error.value)


@pytest.mark.parametrize("how", DECIDES)
def test_a_member_that_never_answers_leaves_the_other_one(tmp_path, how):
    data = rows_of(tmp_path / "r.jsonl", (None, SURE), (SURE, None), (DOUBT, SURE))
    report = evaluate(made(data, f"cascade(A, B, {how})"), read_rows(data))
    assert (report.accuracy, report.errors) == (1, 0)
    assert report.cascade.rows == 1


@pytest.mark.parametrize("how", DECIDES)
def test_where_nobody_answers_the_question_fails_with_both_reasons(tmp_path, how):
    data = rows_of(tmp_path / "r.jsonl", (None, None), (SURE, SURE))
    with made(data, f"cascade(A, B, {how})").ready() as ensemble:
        result = next(iter(ensemble.map([read_rows(data)[0].question()])))
    assert "every attempt failed" in result.error
    assert "`A`" in result.error
    assert "`B`" in result.error


@pytest.mark.parametrize("how", DECIDES)
def test_where_all_answers_are_right_there_is_no_gap_to_recover(tmp_path, how):
    data = rows_of(tmp_path / "r.jsonl", (SURE, SURE), (DOUBT, SURE), (SURE, DOUBT))
    report = evaluate(made(data, f"cascade(A, B, {how})"), read_rows(data)).cascade
    assert report.figures["apgr"].mean != report.figures["apgr"].mean  # undefined
    assert report.best == "A"
    json.dumps(report.as_dict(), allow_nan=False)


@pytest.mark.parametrize(("threshold", "asked"), [(-1, [1, 0]), (2, [1, 1])])
def test_thresholds_outside_of_the_range_take_all_or_none(tmp_path, threshold, asked):
    data = rows_of(tmp_path / "r.jsonl", (SURE, SURE), (DOUBT, SURE))
    for how in (f"confidence >= {threshold}", f"thresholds(at = {threshold})"):
        recipe = made(data, f"cascade(A, B, accept = {how})")
        report = evaluate(recipe, read_rows(data)).cascade
        assert report is None or [one.asked for one in report.stages] == asked
        assert "thresholds" in how or "W303" in {each.code for each in recipe.check()}


@pytest.mark.parametrize("how", DECIDES)
def test_one_stage_has_nothing_to_go_on_to(tmp_path, how):
    data = rows_of(tmp_path / "r.jsonl", (SURE, SURE))
    with pytest.raises(Mistakes) as error:
        made(data, f"cascade(A, {how})")
    assert [each.code for each in error.value.diagnostics] == ["E206"]

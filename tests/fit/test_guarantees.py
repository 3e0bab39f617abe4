"""Guaranteed cascades from the data file to the plan: fitted, promised, refused."""

import json

import pytest

from composer.cli import main
from composer.diagnostics import Mistakes
from composer.fit.fitting import fit
from composer.fit.settings import FitSettings
from composer.recipe import Recipe

MODELS = """\
model Small = recorded("rows.jsonl", "small")
model Big = recorded("rows.jsonl", "big")
"""


@pytest.fixture
def folder(tmp_path):
    """Rows on which the small model knows half of the answers, and is sure of these."""
    rows = []
    for at in range(200):
        sure = at % 2 == 0
        recorded = {
            "small": {
                "text": "a" if sure else "b",
                "correct": sure,
                "logprob": -0.1 if sure else -2.0,
                "cost": 0.001,
            },
            "big": {"text": "a", "correct": True, "logprob": -0.1, "cost": 0.01},
        }
        rows.append({"id": f"q{at}", "query": f"question {at}", "recorded": recorded})
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def saved(folder, accept):
    path = folder / "r.ens"
    path.write_text(f"{MODELS}cascade(Small, Big, accept = {accept})\n")
    return path


def command(*words):
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    return left.value.code or 0


@pytest.mark.parametrize(
    ("accept", "promise"),
    [
        ("certified(risk = 0.1)", "at most 10% of all answers are wrong"),
        ("label_free(of = confidence)", "at most 10% of the answers differ from that of the last"),
        (
            "label_free(of = confidence, budget = 0.005, beyond = 0.7)",
            "at most 70% of the questions cost more than $0.005",
        ),
    ],
)
def test_the_promise_stands_in_the_fit_and_in_the_plan(folder, accept, promise, capsys):
    path = saved(folder, accept)
    assert command("fit", path, "--data", folder / "rows.jsonl") == 0
    assert promise in " ".join(capsys.readouterr().out.split())
    assert command("plan", path) == 0
    planned = " ".join(capsys.readouterr().out.split())
    assert f"accept = {accept.split('(')[0]}, from 200 rows of rows.jsonl; {promise}" in planned
    assert "with 90% certainty (measured: " in planned
    with Recipe.load(path).ready() as ensemble:
        assert [ensemble(f"question {at}").text.source for at in (0, 1)] == ["Small", "Big"]


def test_the_plan_as_json_has_bound_and_measured_value(folder, capsys):
    path = saved(folder, "certified(risk = 0.1)")
    fit(FitSettings(Recipe.load(path), folder / "rows.jsonl"))
    command("plan", path, "--json")
    (planned,) = json.loads(capsys.readouterr().out)["fits"]
    assert planned["guarantees"] == [
        {
            "promise": "at most 10% of all answers are wrong",
            "bound": 0.1,
            "sure": 0.9,
            "measured": 0.0,
            "rows": 134,
        }
    ]


@pytest.mark.parametrize(
    ("accept", "message", "help_"),
    [
        ("certified(risk = 0.01)", "0% of 134 rows, and these are too few", "give about 360 rows"),
        ("certified(risk = 0.1, budget = 0.0001)", "cost more than $0.0001", "`beyond = ...`"),
        ("certified(of = agreement)", "`agreement` is not known of any answer", "use a signal"),
    ],
)
def test_what_cannot_be_promised_is_refused(folder, accept, message, help_):
    with pytest.raises(Mistakes) as caught:
        fit(FitSettings(Recipe.load(saved(folder, accept)), folder / "rows.jsonl"))
    (mistake,) = caught.value.diagnostics
    assert mistake.code == "E509"
    assert message in mistake.message
    assert help_ in mistake.help


def test_one_recorded_text_does_not_stand_in_for_five_draws(folder):
    path = folder / "r.ens"
    models = MODELS.replace('recorded("rows.jsonl", "small")', 'zoo("general-1")')
    path.write_text(f"{models}cascade(sample(Small, 5) -> vote(), Big, accept = label_free())\n")
    rows = (folder / "rows.jsonl").read_text().replace('"small"', '"general-1"')
    (folder / "drawn.jsonl").write_text(rows)
    with pytest.raises(Mistakes) as caught:
        fit(FitSettings(Recipe.load(path), folder / "drawn.jsonl"))
    (mistake,) = caught.value.diagnostics
    assert mistake.code == "E504"
    assert "`Small` is drawn 5 times" in mistake.message
    assert "has only 1 answer of it" in mistake.message


@pytest.mark.parametrize(
    ("accept", "code", "message"),
    [
        ("accept = label_free(by = judge(Big))", "E402", "`judge` asks a model"),
        ("accept = label_free(by = outputs())", "E402", "use another agreement"),
        ("by = post_hoc(by = judge(Big))", "E402", "`judge` asks a model"),
        ("accept = certified(skip = true), carry = answer()", "E403", "its promise would not hold"),
    ],
)
def test_what_no_fit_can_keep_is_refused_before_it(folder, accept, code, message):
    path = folder / "r.ens"
    path.write_text(f"{MODELS}cascade(Small, Big, {accept})\n")
    with pytest.raises(Mistakes) as caught:
        Recipe.load(path)
    (mistake,) = caught.value.diagnostics
    assert mistake.code == code
    assert message in mistake.message
    assert mistake.place is not None

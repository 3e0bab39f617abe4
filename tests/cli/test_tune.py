"""`compose tune`: values that `--set` takes, searched and judged on rows left out."""

import json
from pathlib import Path

import pytest

from composer.cli import main

KEPT = Path(__file__).parent / "golden"
RECIPE = """param doubt: float = 0.0
model weak = recorded("rows.jsonl", "weak")
model strong = recorded("rows.jsonl", "strong")

cascade(weak, strong, accept = confidence >= doubt)
"""


@pytest.fixture(autouse=True)
def _width(monkeypatch):
    """Write lines of 100 columns, whoever runs the tests."""
    monkeypatch.setenv("COLUMNS", "100")


def row(at):
    """The weak model is right where it is sure, the strong one is always right."""
    sure = at % 3 > 0
    weak = {"text": "4" if sure else "5", "correct": sure, "logprob": -0.3 if sure else -1.2}
    outcomes = {"weak": weak | {"cost": 0.001}, "strong": {"text": "4", "cost": 0.01}}
    return {"id": f"q{at}", "query": f"{at}?", "reference": "4", "recorded": outcomes}


@pytest.fixture
def tune(tmp_path, monkeypatch, capfd):
    """Run `compose tune` in this process; return its exit status, output and messages."""
    monkeypatch.chdir(tmp_path)
    Path("r.ens").write_text(RECIPE)
    Path("rows.jsonl").write_text("".join(f"{json.dumps(row(at))}\n" for at in range(60)))

    def call(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(["tune", "r.ens", "--data", "rows.jsonl", *arguments])
        out, err = capfd.readouterr()
        return caught.value.code or 0, out, err

    return call


def test_the_report_has_trials_rows_left_out_and_the_command(tune, golden):
    status, out, _ = tune("--vary", "doubt=0.1..0.9", "--trials", "5", "--output", "h.jsonl")
    assert status == 0
    golden(KEPT / "tune.txt", out)
    lines = [json.loads(line) for line in Path("h.jsonl").read_text().splitlines()]
    assert lines[0]["settings"] == {}
    assert len(lines) == 6


def test_json_names_the_best_values_and_the_command(tune):
    options = ("--metric", "accuracy - 10*cost", "--trials", "3", "--json")
    told = json.loads(tune("--vary", "doubt=0.1..0.9", *options)[1])
    assert told["version"] == 1
    assert told["best"]["settings"] == {"doubt": "0.5"}
    assert told["command"] == "compose run r.ens --set doubt=0.5"
    assert told["gain"]["settled"] is True


@pytest.mark.parametrize(("type_", "count"), [("float", 3), ("int", 2)])
def test_whole_ends_mean_whole_numbers_only_where_the_recipe_takes_no_others(tune, type_, count):
    Path("r.ens").write_text(RECIPE.replace("float = 0.0", f"{type_} = 0"))
    told = json.loads(tune("--vary", "doubt=0..1", "--trials", "3", "--json")[1])
    assert len(told["trials"]) == count


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--vary", "dout=0.1..0.9"), 1, "did you mean `doubt`?"),
        (("--vary", "doubt=0.9..0.1"), 2, "is empty"),
        (("--vary", "doubt=a,b"), 1, "must be a number"),
        (("--vary", "doubt=0..1", "--vary", "doubt=0..2"), 2, "varied twice"),
        (("--vary", "doubt=0..1", "--set", "doubt=1"), 2, "set and varied"),
        (("--vary", "doubt=0..1", "--metric", "acuracy"), 2, "did you mean `accuracy`?"),
        (("--vary", "doubt=0..1", "--limit", "2"), 3, "E719"),
        (("--vary", "doubt=0..1", "--output", "no/where.jsonl"), 3, "E718"),
        ((), 2, "--vary"),
    ],
)
def test_wrong_usage_says_what_to_write(tune, arguments, status, message):
    actual, _, err = tune(*arguments)
    assert (actual, message in err) == (status, True), err

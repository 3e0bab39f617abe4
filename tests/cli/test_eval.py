"""`compose eval`: recipes measured beside their members."""

import json
from pathlib import Path

import pytest

from composer.cli import main

ROWS = [
    {
        "id": "1",
        "query": "a",
        "reference": "x",
        "recorded": {"P": {"text": "x"}, "Q": {"text": "y"}},
    },
    {
        "id": "2",
        "query": "b",
        "reference": "x",
        "recorded": {"P": {"text": "y"}, "Q": {"text": "x"}},
    },
    {
        "id": "3",
        "query": "c",
        "reference": "x",
        "recorded": {"P": {"text": "x"}, "Q": {"text": "x"}},
    },
]
MODELS = 'model P = recorded("rows.jsonl", "P")\nmodel Q = recorded("rows.jsonl", "Q")\n'


@pytest.fixture
def evaluate(tmp_path, monkeypatch, capfd):
    """Run `compose eval` in this process; return its exit status, output and messages."""
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    Path("vote.ens").write_text(MODELS + "[P, P, Q] -> vote()\n")
    Path("first.ens").write_text(MODELS + "route(by = uniform()) -> [Q, P]\n")

    def call(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(["eval", *arguments, "--data", "rows.jsonl"])
        out, err = capfd.readouterr()
        return caught.value.code, out, err

    return call


def test_a_recipe_is_measured_beside_its_members(evaluate):
    status, out, _ = evaluate("vote.ens", "--json")
    told = json.loads(out)
    report = told if "accuracy" in told else told["recipes"][0]
    assert status == 0
    assert report["rows"] == 3
    assert report["accuracy"] == pytest.approx(2 / 3)
    assert report["members"] == pytest.approx({"P": 2 / 3, "Q": 2 / 3})
    assert report["oracle"] == 1
    assert {"interval", "best_member", "random", "cost", "seconds"} <= set(report)


def test_several_recipes_are_compared(evaluate):
    status, out, _ = evaluate("vote.ens", "first.ens")
    assert status == 0
    assert "vote.ens" in out
    assert "first.ens" in out


def test_a_recipe_with_mistakes_is_not_measured(evaluate):
    Path("wrong.ens").write_text("[A] -> voet()\n")
    status, out, err = evaluate("wrong.ens")
    assert (status, out) == (1, "")
    assert "error[E2" in err


def test_data_is_needed(evaluate):
    with pytest.raises(SystemExit) as caught:
        main(["eval", "vote.ens"])
    assert caught.value.code == 2

"""`compose plan --data`: what a data file would take, before anybody is asked."""

import json
import sys
from pathlib import Path

import pytest

from composer.cli import main

KEPT = Path(__file__).parent / "golden"
RECIPE = """model small = fake("4", price = [1, 2])
model large = fake("4")

cascade(small, large, accept = length() < 10)
"""
ROWS = [
    {
        "id": f"q{at}",
        "query": f"How much is {at} and {at}?",
        "recorded": {
            "small": {"text": "4", "correct": at != 2, "completion_tokens": 3, "seconds": 0.2},
            "large": {"text": "4", "correct": at % 3 != 2, "cost": 0.002},
        },
    }
    for at in range(6)
]


@pytest.fixture(autouse=True)
def _width(monkeypatch):
    """Write lines of 100 columns, whoever runs the tests."""
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def plan(tmp_path, monkeypatch, capfd):
    """Run `compose plan` in this process; return its exit status, output and messages."""
    monkeypatch.chdir(tmp_path)
    Path("r.ens").write_text(RECIPE)
    Path("rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))

    def call(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(["plan", "r.ens", *arguments])
        out, err = capfd.readouterr()
        return caught.value.code, out, err

    return call


def test_the_plan_is_followed_by_the_estimate_and_the_bound(plan, golden):
    status, out, _ = plan("--data", "rows.jsonl", "--no-cache")
    assert status in (0, None)
    golden(KEPT / "plan_data.txt", out[out.index("estimate") :])


def test_json_has_the_plan_the_estimate_and_the_certificate(plan):
    told = json.loads(plan("--data", "rows.jsonl", "--no-cache", "--limit", "3", "--json")[1])
    assert told["version"] == told["estimate"]["version"] == 1
    assert told["estimate"]["rows"] == 3
    assert told["estimate"]["members"]["large"]["calls"] == [0, 3]
    assert told["certificate"]["graded"]["all_wrong"] == 1


def test_options_of_the_estimate_need_data(plan):
    status, _, err = plan("--limit", "3")
    assert (status, "need --data" in err) == (2, True)


def test_an_estimate_imports_no_torch(plan, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it would raise
    assert plan("--data", "rows.jsonl")[0] in (0, None)

"""What programs read: the JSON of `run`, traces, `eval`, `check` and `ls`, keys and values."""

import json
import os
import shutil
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GOLDEN = HERE / "golden" / "faces"
WRONG = (
    'model A = fake(says = "a", sed = 1)\nlet unused = A\nmodel B = fake()\n[A, B] -> cascade(B)\n'
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the small recipes and their rows in it."""
    for path in (HERE / "recipes").iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)


def lines(text):
    """Read JSON lines."""
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("recipe", ["recorded", "fuse_routed", "votes"])
def test_run_prints_and_traces_as_before(recipe, compose, pinned, portable):
    rows = [{"query": "Who was that?", "id": "unknown"}, *lines(Path("kept.jsonl").read_text())[:2]]
    Path("asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = ("run", f"{recipe}.ens", "--input", "asked.jsonl", "--no-cache", "--json")
    status, out, _ = compose(*run, "--limit", 1, "--trace", "t.jsonl")
    other, drawn, _ = compose(*run, "--seed", 2)
    traces = lines(Path("t.jsonl").read_text())
    for trace in traces:
        trace["steps"].sort(key=lambda step: step["step"])
    told = [status, *lines(out), *traces, other, *lines(drawn)]
    pinned(GOLDEN / f"run_{recipe}.jsonl", json.loads(portable(json.dumps(told))))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "given",
    [
        ("recorded.ens",),
        ("recorded_route.ens", "recorded.ens"),
        ("recorded_route.ens", "--route-only"),
    ],
    ids=["alone", "several", "decisions"],
)
def test_eval_prints_as_before(given, compose, pinned, request):
    status, out, _ = compose("eval", *given, "--data", "kept.jsonl", "--json")
    assert status == 0
    try:
        found = [json.loads(out)]
    except ValueError:
        found = lines(out)
    name = request.node.callspec.id
    pinned(GOLDEN / f"eval_{name}.jsonl", found)


@pytest.mark.usefixtures("folder")
def test_check_prints_as_before(compose, golden, portable):
    Path("wrong.ens").write_text(WRONG)
    status, out, _ = compose("check", "wrong.ens", "readers.ens", "--json")
    golden(GOLDEN / "check.json", f"{status}\n{portable(out)}")


@pytest.mark.parametrize("what", ["steps", "parts", "models", "recipes"])
def test_what_was_listed_before_is_listed_still(what, compose, golden):
    path = GOLDEN / f"ls_{what}.jsonl"
    rows = [json.dumps(row) for row in json.loads(compose("ls", what, "--json")[1])]
    kept = rows if os.environ.get("COMPOSER_ACCEPT") else path.read_text().splitlines()
    golden(path, "\n".join(row for row in rows if row in kept))

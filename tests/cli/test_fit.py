"""`compose fit` at the command line."""

import json

import pytest

from composer.cli import main

RECIPE = """\
model A = recorded("rows.jsonl", "a")
model B = recorded("rows.jsonl", "b")
route(by = {by}, policy = gap()) -> [A, B]
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [
        {
            "query": f"{'sum' if at % 2 else 'word'} {at}",
            "recorded": {"a": {"correct": at % 2 == 1}, "b": {"correct": at % 3 > 0}},
        }
        for at in range(30)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    path = tmp_path / "r.ens"
    path.write_text(RECIPE.format(by="linear()"))
    return path


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["fit", *arguments])
    told = capsys.readouterr()
    return ended.value.code, told.out, told.err


def test_what_was_learnt_is_told(recipe, capsys):
    status, out, err = run(capsys, "r.ens", "--data", "rows.jsonl", "--target", "share=0.5")
    assert status == 0
    assert "`linear` fitted on 30 rows with the choices A, B" in out
    assert "for share=0.5" in out
    assert "wrote r.ens.fit.json and r.ens.fit.safetensors" in out
    assert "fitting `linear`" in err


def test_json_is_printed_for_programs(recipe, capsys):
    status, out, _ = run(capsys, "r.ens", "--data", "rows.jsonl", "--json", "--no-shrink")
    assert status == 0
    assert json.loads(out)["entries"][0]["part"]["name"] == "linear"


def test_the_parts_own_data_are_taken(recipe, capsys):
    recipe.write_text(RECIPE.format(by='linear("rows.jsonl")'))
    status, out, _ = run(capsys, "r.ens")
    assert (status, "30 rows" in out) == (0, True)


def test_without_any_data_it_asks_for_some(recipe, capsys):
    status, _, err = run(capsys, "r.ens")
    assert status == 2
    assert "--data FILE" in err


def test_a_bad_target_is_refused(recipe, capsys):
    status, _, err = run(capsys, "r.ens", "--data", "rows.jsonl", "--target", "share=2")
    assert status == 2
    assert "a share must be between 0 and 1" in err


def test_a_policy_without_a_tunable_option_is_a_mistake(recipe, capsys):
    recipe.write_text(recipe.read_text().replace("gap()", "chance()"))
    status, _, err = run(capsys, "r.ens", "--data", "rows.jsonl", "--target", "share=0.5")
    assert status == 1
    assert "error[E509]" in err


def test_choices_are_asked_once_and_not_again(recipe, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(recipe.parent / "cache"))
    rows = [json.loads(line) for line in (recipe.parent / "rows.jsonl").read_text().splitlines()]
    for at, row in enumerate(rows):
        row["recorded"] = {name: {"text": str(at % 3), "cost": 0.5} for name in "ab"}
    (recipe.parent / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    asked = [{"query": row["query"], "reference": "1"} for row in rows]
    (recipe.parent / "asked.jsonl").write_text("\n".join(map(json.dumps, asked)))
    arguments = ("r.ens", "--data", "asked.jsonl", "--target", "cost=0.5")
    first = run(capsys, *arguments)
    kept = (recipe.parent / "r.ens.fit.json").read_bytes()
    again = run(capsys, *arguments)
    assert (first[0], again[0]) == (0, 0)
    assert "asking `A` 30 questions\nasking `B` 30 questions" in first[2]
    assert "asking" not in again[2]
    assert "`B`: 30 answers taken from the cache" in again[2]
    assert (recipe.parent / "r.ens.fit.json").read_bytes() == kept
    assert "asking `A`" in run(capsys, *arguments, "--no-cache")[2]

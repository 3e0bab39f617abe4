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
    assert "`linear` learnt from 30 rows about A, B" in out
    assert "for share=0.5" in out
    assert "wrote r.ens.fit.json" in out
    assert "teaching `linear`" in err


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
    assert "a share is between 0 and 1" in err


def test_a_policy_without_a_lever_is_a_mistake(recipe, capsys):
    recipe.write_text(recipe.read_text().replace("gap()", "chance()"))
    status, _, err = run(capsys, "r.ens", "--data", "rows.jsonl", "--target", "share=0.5")
    assert status == 1
    assert "error[E509]" in err

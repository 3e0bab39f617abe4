"""`compose eval` on the command line: which rows, how they are judged."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from composer.cli import compose


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("r.ens").write_text(
        'model A = fake("about 7")\nmodel B = fake("7")\n[A, B] -> vote(ties = first)\n'
    )
    splits = ["train"] * 20 + ["test"] * 20
    rows = [
        {"id": str(n), "query": f"{n}", "reference": "7", "split": s} for n, s in enumerate(splits)
    ]
    Path("d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(*arguments, data="d.jsonl"):
        found = CliRunner().invoke(compose, ["eval", "r.ens", "--data", data, "--json", *arguments])
        assert found.exit_code == 0, found.output
        return json.loads(found.stdout)

    return run


def test_a_sample_is_as_large_as_wanted(run):
    assert run("--sample", "9", "--no-members")["rows"] == 9
    assert run("--sample", "90", "--no-members")["rows"] == 40


def test_one_split_is_measured(run):
    assert run("--split", "test", "--no-members")["rows"] == 20


def test_members_are_left_out(run):
    assert run("--no-members", "--limit", "2")["members"] == {}
    assert set(run("--limit", "2")["members"]) == {"A", "B"}


def test_answers_are_judged_as_wanted(run):
    few = ("--limit", "2", "--no-members")
    assert run(*few, "--how", "exact")["accuracy"] == 0
    assert run(*few, "--how", "contains")["accuracy"] == 1


def test_the_items_of_the_zoo_have_names(run):
    assert run("--sample", "5", "--no-members", data="zoo:test")["rows"] == 5

"""`compose eval --certify`: what selecting can gain, before anything is built."""

import json
from pathlib import Path

import pytest

from composer.cli import main

KEPT = Path(__file__).parent / "golden"
MODELS = 'model A = recorded("rows.jsonl", "a")\nmodel B = recorded("rows.jsonl", "b")\n'


@pytest.fixture(autouse=True)
def _width(monkeypatch):
    """Write lines of 100 columns, whoever runs the tests."""
    monkeypatch.setenv("COLUMNS", "100")


def row(at):
    """Make one of 60 rows: A is right on most, B on some others, both wrong on every 20th."""
    a, b = at % 5 != 0, at % 10 == 5
    outcomes = {
        "a": {"text": "4" if a else "5", "correct": a, "cost": 0.001},
        "b": {"text": "4" if b else "5", "correct": b, "cost": 0.003},
    }
    audit = {"audit": "reference"} if at == 0 else {}
    return {
        "id": f"q{at}",
        "query": f"2 + 2, {at}?",
        "reference": "4",
        "recorded": outcomes,
    } | audit


@pytest.fixture
def certify(tmp_path, monkeypatch, capfd):
    """Run `compose eval --certify` in this process; return its exit status, output and messages."""
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text("".join(f"{json.dumps(row(at))}\n" for at in range(60)))
    Path("vote.ens").write_text(MODELS + "[A, B] -> vote()\n")
    Path("fuse.ens").write_text(MODELS + "[A, B] -> regenerate(A)\n")

    def call(recipe, *arguments):
        with pytest.raises(SystemExit) as caught:
            main(["eval", recipe, "--data", "rows.jsonl", *arguments])
        out, err = capfd.readouterr()
        return caught.value.code, out, err

    return call


def test_the_report_has_the_bound_the_money_and_the_rows_to_look_at(certify, golden):
    status, out, _ = certify("vote.ens", "--certify", "--margin", "1")
    assert status == 0
    golden(KEPT / "certify.txt", out)


def test_what_writes_new_answers_is_outside_of_the_bound(certify):
    _, out, _ = certify("fuse.ens", "--certify")
    assert "The bound does not hold for fuse.ens" in " ".join(out.split())
    assert json.loads(certify("fuse.ens", "--certify", "--json")[1])["applies"] is False


def test_a_file_may_name_the_rows_with_mistakes(certify):
    Path("bad.txt").write_text("q10\n\nq20\n")
    told = json.loads(certify("vote.ens", "--certify", "--audited", "bad.txt", "--json")[1])
    assert told["mistakes"] == 3
    assert told["graded"]["all_wrong"] - told["audited"]["all_wrong"] == 3
    assert len(told["all_wrong_rows"]) == told["graded"]["all_wrong"]


def test_an_unknown_id_and_a_lone_option_are_wrong_usage(certify):
    Path("bad.txt").write_text("q100\n")
    status, _, err = certify("vote.ens", "--certify", "--audited", "bad.txt")
    assert (status, "`q100`" in err) == (2, True)
    status, _, err = certify("vote.ens", "--margin", "3")
    assert (status, "--margin needs --certify" in err) == (2, True)


def test_a_misspelt_audit_is_an_error_with_its_line(certify):
    Path("rows.jsonl").write_text(json.dumps(row(0) | {"audit": "gradr"}) + "\n")
    status, _, err = certify("vote.ens", "--certify")
    assert status == 1
    assert "did you mean `grader`?" in err

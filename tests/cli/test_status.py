"""One exit status for one kind of end, whichever verb it was; and what `--traceback` shows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from composer.cli import main
from composer.cli.status import STATUSES
from composer.cli.verbs import VERBS, compose
from composer.diagnostics import CODES

ROOT = Path(__file__).parents[2]
RECIPE = "model A = fake(style = echo)\nA\n"
PICKY = 'model A = fake(knows = [["bad", "no"]], says = "7")\nA -> extract() -> vote()\n'
ROUTE = 'model A = fake("a")\nmodel B = fake("b")\nroute(by = knn()) -> [A, B]\n'

ENDS = {
    # a mistake in a recipe, a model or a file that is read
    ("run", "wrong.ens", "q"): 1,
    ("check", "wrong.ens"): 1,
    ("plan", "wrong.ens"): 1,
    ("graph", "wrong.ens"): 1,
    ("explain", "wrong.ens"): 1,
    ("fmt", "torn.ens"): 1,
    ("fit", "wrong.ens", "--data", "good.csv"): 1,
    ("eval", "wrong.ens", "--data", "good.csv"): 1,
    # the same of files that are not there
    ("run", "none.ens"): 1,
    ("run", "r.ens", "--input", "none.csv"): 1,
    ("run", "r.ens", "--with", "none.ens"): 1,
    ("check", "none.ens"): 1,
    ("fmt", "none.ens"): 1,
    ("fit", "route.ens", "--data", "none.csv"): 1,
    ("eval", "r.ens", "--data", "none.csv"): 1,
    ("trace", "none.jsonl"): 1,
    # of rows that are no rows, and of what is not fitted or cannot be
    ("run", "r.ens", "--input", "bad.jsonl"): 1,
    ("fit", "route.ens", "--data", "bad.jsonl"): 1,
    ("eval", "r.ens", "--data", "bad.jsonl"): 1,
    ("trace", "bad.jsonl"): 1,
    ("run", "route.ens", "q"): 1,
    ("fit", "r.ens", "--data", "good.csv"): 1,
    # wrong usage
    ("rum",): 2,
    ("run", "r.ens", "--limit", "0"): 2,
    ("graph", "r.ens", "-o", "a.png"): 2,
    ("explain", "gat"): 2,
    ("explain", "E999"): 2,
    ("new", "cascad"): 2,
    ("ls", "models", "--no"): 2,
    ("eval", "r.ens"): 2,
    ("fit", "route.ens"): 2,
    # a failure while working, a file that cannot be written among them
    ("run", "fails.ens", "q"): 3,
    ("run", "r.ens", "q", "--output", "none/a.jsonl"): 3,
    ("run", "r.ens", "q", "--trace", "none/a.jsonl"): 3,
    ("graph", "r.ens", "-o", "none/a.svg"): 3,
    ("new", "vote", "r.ens"): 3,
    ("new", "vote", "none/r.ens"): 3,
    ("fmt", "r.ens", "--to", "yaml", "--write"): 3,
    ("eval", "fails.ens", "--data", "good.csv"): 3,
    # some failed
    ("run", "picky.ens", "good", "bad"): 4,
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {
        "r.ens": RECIPE,
        "r.yaml": "answer: 1\n",
        "route.ens": ROUTE,
        "wrong.ens": "model A = fake()\nB\n",
        "torn.ens": "A ->\n",
        "fails.ens": "model A = fake(fails = true)\nA\n",
        "picky.ens": PICKY,
        "good.csv": "query,reference\none,1\n",
        "bad.jsonl": '{"nothing": 1}\n',
    }
    for name, text in files.items():
        Path(name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("arguments", ENDS, ids=" ".join)
def test_the_same_kind_of_end_has_the_same_status(arguments, folder, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == ENDS[arguments], capsys.readouterr().err
    assert ended.value.code in STATUSES


def test_every_family_of_codes_is_in_the_table():
    text = " ".join(STATUSES.values())
    families = {code[:2] for code in CODES if code[0] == "E"} - {"E6"}
    assert families == {"E1", "E2", "E3", "E4", "E5", "E7", "E8"}
    assert "E1 to E5" in text
    assert "E7 and E8" in text


def test_the_table_of_the_docs_is_that_of_the_command():
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    for status, meaning in STATUSES.items():
        assert f"| {status} | {meaning} |" in page


@pytest.mark.parametrize("verb", [[], *([verb] for verb in VERBS)])
def test_every_help_names_traceback(verb):
    assert "--traceback" in CliRunner().invoke(compose, [*verb, "--help"]).stdout


def test_traceback_shows_one(folder):
    with pytest.raises(Exception, match="E201"):
        main(["run", "wrong.ens", "q", "--traceback"])


STOPPED = [["--help"], ["run", "r.ens", "--input", "many.txt", "--output", "/dev/stdout"]]


@pytest.mark.parametrize("arguments", STOPPED, ids=" ".join)
def test_a_reader_that_stops_early_is_no_failure(arguments, folder):
    Path("many.txt").write_text("".join(f"{at}\n" for at in range(300)))
    reads, writes = os.pipe()
    os.close(reads)  # a pipe that nobody reads any more, as after `| head -1`
    child = subprocess.run(
        [sys.executable, "-m", "composer", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=writes,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(writes)
    assert child.returncode == 0, child.stderr
    assert b"rror" not in child.stderr

"""`compose run` reads the same data as `eval`, says what it leaves, and loses no answer."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from composer.cli import main

ROOT = Path(__file__).parents[2]
RECIPE = "model E = fake(style = echo)\nE\n"


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """Run the command in this process; return its exit status, what it prints and what it says."""
    monkeypatch.chdir(tmp_path)
    Path("r.ens").write_text(RECIPE)

    def call(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(["run", "r.ens", *arguments])
        out, err = capfd.readouterr()
        return caught.value.code, out, err

    return call


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("q.csv", b"id,query\n1,one\n2,two\n"),
        ("q.csv", "\ufeffquestion,answer\none,1\ntwo,2\n".encode()),
        ("q.tsv", b"query\treference\none\t1\ntwo\t2\n"),
        ("q.json", b'[{"query": "one"}, {"query": "two"}]'),
        ("q.jsonl.gz", gzip.compress(b'{"input": "one"}\n{"input": "two"}\n', mtime=0)),
        ("q.jsonl", '{"query": "one"}\n{"query": "two"}\n'.encode("utf-16")),
        ("q.txt", b"one\n\ntwo\n"),
    ],
)
def test_files_are_read_as_people_have_them(run, name, content):
    Path(name).write_bytes(content)
    assert run("--input", name) == (0, "one\ntwo\n", "")


@pytest.mark.parametrize(
    ("name", "content"),
    [("q.csv", ""), ("q.csv", "id,query\n"), ("q.jsonl", "\n"), ("q.json", "[]")],
)
def test_a_file_without_rows_is_no_success(run, name, content):
    Path(name).write_text(content)
    for more in ([], ["--output", "o.jsonl"]):
        code, _, err = run("--input", name, *more)
        assert (code, f"error[E504]: `{name}` has no rows" in err) == (1, True)


@pytest.mark.parametrize("between", [" ", ",,", "\n,\n,\n"])
def test_rows_of_a_list_have_one_comma_between_them(run, between):
    Path("q.json").write_text('[{"query": "a"}' + between + '{"query": "b"}]')
    code, out, err = run("--input", "q.json")
    assert (code, out) == (1, "")
    assert "one comma between two rows" in err


def test_what_is_piped_in_is_read_like_a_file(tmp_path):
    (tmp_path / "r.ens").write_text(RECIPE)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for piped in (
        b"id,query\n1,one\n",
        gzip.compress(b"one\n", mtime=0),
        "\ufeffone\n".encode("utf-16"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "composer", "run", "r.ens"],
            input=piped,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            check=True,
        )
        assert done.stdout == b"one\n"


def test_items_of_the_zoo_are_asked_by_their_name(run):
    status, out, _ = run("--input", "zoo:test", "--limit", "2")
    assert status == 0
    assert len(out.splitlines()) == 2


def test_a_bad_row_is_told_before_anything_is_asked(run):
    Path("q.csv").write_text('id,query\n1,one\n2,"two\n')
    status, out, err = run("--input", "q.csv", "--output", "a.jsonl")
    assert (status, out) == (1, "")
    assert "error[E504]: q.csv, line 3: a quote that begins in this row is never closed" in err
    assert Path("a.jsonl").read_text() == ""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("zoo:tests", "the zoo has no set `tests`: did you mean `zoo:test`?"),
        ("-", "leave out `--input` to read stdin"),
    ],
)
def test_an_input_that_is_no_file_gets_advice(run, name, text):
    status, _, err = run("--input", name)
    assert status == 2
    assert text in err


def test_one_file_is_not_read_and_written(run):
    Path("q.jsonl").write_text("")
    status, _, err = run("--input", "q.jsonl", "--output", "q.jsonl")
    assert status == 2
    assert "--input and --output are the same file" in err
    assert run("x", "--output", "a.jsonl", "--trace", "a.jsonl")[0] == 2


def test_another_system_is_not_answered_before(run):
    Path("q.jsonl").write_text('{"id": 1, "query": "one", "system": "a"}\n')
    assert run("--input", "q.jsonl", "--output", "a.jsonl")[0] == 0
    Path("q.jsonl").write_text('{"id": 1, "query": "one", "system": "b"}\n')
    status, _, err = run("--input", "q.jsonl", "--output", "a.jsonl")
    assert status == 3
    assert "error[E706]" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
@pytest.mark.parametrize("option", ["--output", "--trace"])
def test_a_full_disk_ends_a_run_with_what_is_wrong(run, option):
    if option == "--trace":
        Path("full.jsonl").symlink_to("/dev/full")
    status, _, err = run("one", option, "/dev/full" if option == "--output" else "full.jsonl")
    assert status == 3
    assert "error[E718]" in err
    assert "No space left" in err
    assert "Traceback" not in err


def test_what_goes_to_the_standard_output_is_all_there(tmp_path):
    (tmp_path / "r.ens").write_text(RECIPE)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "composer", "run", "r.ens", "one", "two"]
    done = subprocess.run(
        [*command, "--output", "/dev/stdout"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 2

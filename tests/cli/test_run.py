"""`compose run`: queries in, answers out, and the exit status that they make."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import forked
import pytest

from composer.cli import main

ROOT = Path(__file__).parents[2]
KEYS = ["id", "query", "answer", "confidence", "decision", "members", "seconds", "error"]

RECIPE = """
model E = fake(style = echo, confidence = 0.9, price = [1, 10])
param length: int = 99
example "What is it?"
E(max_tokens = length)
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capfd):
    """Run the command in this process; return its exit status, what it prints and what it says."""
    monkeypatch.chdir(tmp_path)
    Path("r.ens").write_text(RECIPE)

    def call(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(["run", *arguments])
        out, err = capfd.readouterr()
        return caught.value.code, out, err

    return call


@pytest.fixture
def process(tmp_path):
    """Start the command in a process of its own."""
    (tmp_path / "r.ens").write_text(RECIPE)

    def start(*arguments, **how):
        how = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        } | how
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "composer", "run", *arguments]
        return subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, **how)

    return start


def test_arguments_are_answered_one_a_line(run):
    assert run("r.ens", "one", "two words") == (0, "one\ntwo words\n", "")


def test_without_a_query_the_example_is_answered(run):
    assert run("r.ens") == (0, "What is it?\n", "example: What is it?\n")


def test_without_query_and_example_it_is_wrong_usage(run):
    Path("bare.ens").write_text("model A = fake()\nA\n")
    status, out, err = run("bare.ens")
    assert (status, out) == (2, "")
    assert "there is no query" in err


def test_lines_of_stdin_are_answered(process):
    child = process("r.ens", stdin=subprocess.PIPE)
    out, err = child.communicate('one\n{"query": "two", "id": "x"}\n\n')
    assert (child.returncode, out, err) == (0, "one\ntwo\n", "")


@pytest.fixture
def forked_run(tmp_path):
    """Run the command in a process of its own, which only needs its standard input."""
    (tmp_path / "r.ens").write_text(RECIPE)
    return lambda *arguments: forked.in_words("run", *arguments, cwd=tmp_path)


def test_an_empty_stdin_leaves_the_example(forked_run):
    assert forked_run("r.ens").stdout == "What is it?\n"


def test_rows_of_a_file_are_answered(run):
    Path("q.txt").write_text('{"query": "one"}\ntwo\n')
    assert run("r.ens", "--input", "q.txt") == (0, "one\ntwo\n", "")


def test_only_so_many_are_answered(run):
    Path("q.txt").write_text("1\n2\n3\n4\n")
    assert run("r.ens", "--input", "q.txt", "--limit", "2")[1] == "1\n2\n"


def test_json_prints_an_object_a_query(run):
    status, out, err = run("r.ens", "--json", "one two", "three")
    first, second = (json.loads(line) for line in out.splitlines())
    assert (status, err) == (0, "")
    assert set(KEYS) <= set(first)
    assert list(first)[:2] == KEYS[:2]
    assert first["query"] == "one two"
    assert (first["answer"], first["confidence"], first["error"]) == ("one two", 0.9, None)
    assert first["members"]["E"] == {
        "calls": 1,
        "prompt_tokens": 2,
        "completion_tokens": 2,
        "cost": 22e-6,
    }
    assert [first["id"], second["id"]] == ["1", "2"]


def test_answers_go_to_a_file(run):
    status, out, _ = run("r.ens", "one", "two", "--output", "a.jsonl")
    assert (status, out) == (0, "")
    rows = [json.loads(line) for line in Path("a.jsonl").read_text().splitlines()]
    assert {row["answer"] for row in rows} == {"one", "two"}
    assert set(KEYS) <= set(rows[0])


def test_a_second_call_goes_on_where_the_first_stopped(run):
    Path("q.txt").write_text("1\n2\n3\n")
    run("r.ens", "--input", "q.txt", "--output", "a.jsonl", "--limit", "2")
    status, _, err = run("r.ens", "--input", "q.txt", "--output", "a.jsonl")
    assert (status, err) == (0, "2 already answered, 1 to go\n")
    status, _, err = run("r.ens", "--input", "q.txt", "--output", "a.jsonl")
    assert (status, err) == (0, "3 already answered, 0 to go\n")
    assert len(Path("a.jsonl").read_text().splitlines()) == 3


def test_a_file_of_something_else_is_refused(run):
    Path("a.jsonl").write_text("mine\n")
    status, _, err = run("r.ens", "one", "--output", "a.jsonl")
    assert status == 3
    assert "error[E706]" in err
    assert Path("a.jsonl").read_text() == "mine\n"


def test_a_file_that_is_no_query_is_told(run):
    Path("q.jsonl").write_text('{"query": "x"}\n{"quest\n')
    status, out, err = run("r.ens", "--input", "q.jsonl")
    assert (status, out) == (1, "")
    assert "error[E504]: q.jsonl, line 2" in err


PICKY = 'model P = fake(knows = [["bad", "none"]], says = "7")\nP -> extract() -> vote()\n'


def test_some_failing_queries_are_a_partly_failed_run(run):
    Path("picky.ens").write_text(PICKY)
    status, out, err = run("picky.ens", "good", "bad", "fine")
    assert (status, out) == (4, "7\n7\n")
    assert "query 2 failed: [E705]" in err


def test_all_failing_queries_are_a_failed_run(run):
    Path("picky.ens").write_text(PICKY)
    assert run("picky.ens", "bad")[0] == 3


def test_failures_are_rows_of_json_too(run):
    Path("picky.ens").write_text(PICKY)
    status, out, _ = run("picky.ens", "bad", "good", "--json")
    first, second = (json.loads(line) for line in out.splitlines())
    assert status == 4
    assert first["answer"] is None
    assert first["error"].startswith("[E705]")
    assert second["error"] is None


def test_a_failed_row_is_tried_again(run):
    Path("picky.ens").write_text(PICKY)
    assert run("picky.ens", "bad", "good", "--output", "a.jsonl")[0] == 4
    status, _, err = run("picky.ens", "bad", "good", "--output", "a.jsonl")
    assert status == 3
    assert "1 already answered, 1 to go" in err


def test_mistakes_are_drawn_and_nothing_runs(run):
    Path("wrong.ens").write_text("model A = fake()\n[A, B] -> voet()\n")
    status, out, err = run("wrong.ens", "x")
    assert (status, out) == (1, "")
    assert err.count("error[") == 2
    assert err.splitlines()[-1] == "2 mistakes"
    assert "Traceback" not in err


def test_a_file_that_is_not_there_is_a_mistake(run):
    status, _, err = run("none.ens", "x")
    assert status == 1
    assert "error[E501]" in err


def test_a_query_and_a_file_of_queries_are_not_both_taken(run):
    Path("q.txt").write_text("one\n")
    status, out, err = run("r.ens", "two", "--input", "q.txt")
    assert (status, out) == (2, "")
    assert "the query is given twice: leave out `--input`" in err


def test_wrong_usage_is_two(run):
    assert run("r.ens", "--limit", "0")[0] == 2
    assert run("r.ens", "--set", "length")[0] == 2
    assert run()[0] == 2


def test_settings_reach_the_recipe(run):
    assert run("r.ens", "one two three", "--set", "length=2")[1] == "one two\n"
    assert run("r.ens", "one", "--set", "model.E.says=a")[1] == "a\n"
    status, _, err = run("r.ens", "one", "--set", "lenght=2")
    assert status == 1
    assert "did you mean `length`?" in err or "`length`" in err


def test_warnings_go_to_stderr(run):
    status, out, err = run("r.ens", "x")
    assert out == "x\n"
    Path("warned.ens").write_text("model A = fake(style = echo)\nmodel B = fake()\nA\n")
    status, out, err = run("warned.ens", "x")
    assert (status, out) == (0, "x\n")
    assert "warning[W201]" in err


def test_streaming_prints_the_same(run):
    assert run("r.ens", "one two", "three", "--stream") == (0, "one two\nthree\n", "")


def test_a_failing_stream_is_told_like_any_failure(run):
    Path("broken.ens").write_text("model P = fake(fails = true)\nP\n")
    status, _, err = run("broken.ens", "x", "--stream")
    assert status == 3
    assert "[E701]" in err
    assert "Traceback" not in err


def test_one_failing_stream_does_not_stop_the_others(run):
    Path("picky.ens").write_text(PICKY)
    status, out, err = run("picky.ens", "good", "bad", "fine", "--stream")
    assert status == 4
    assert out.split() == ["7", "7"]
    assert "query 2 failed: [E705]" in err


def test_a_trace_is_told_on_stderr(run):
    status, out, err = run("r.ens", "one", "--trace")
    assert (status, out) == (0, "one\n")
    assert "asked E: 'one'" in err


def test_a_trace_goes_to_a_file(run):
    run("r.ens", "one", "two", "--trace", "t.jsonl")
    told = [json.loads(line) for line in Path("t.jsonl").read_text().splitlines()]
    assert [each["query"] for each in told] == ["one", "two"]


def test_a_streamed_run_is_traced_too(run):
    run("r.ens", "one", "--stream", "--trace", "t.jsonl")
    assert json.loads(Path("t.jsonl").read_text())["query"] == "one"


def test_one_seed_repeats_a_run(run):
    Path("free.ens").write_text("model F = fake()\nF(temperature = 1)\n")
    first = run("free.ens", "x", "--seed", "1", "--no-cache")[1]
    assert run("free.ens", "x", "--seed", "1", "--no-cache")[1] == first
    assert run("free.ens", "x", "--seed", "2", "--no-cache")[1] != first


def test_the_rules_may_be_left_out(run):
    assert run("r.ens", "one", "--plain")[1] == "one\n"


def test_no_traceback_unless_it_is_asked_for(forked_run, process):
    command = ("r.ens", "x", "--output", "nowhere/a.jsonl")
    done = forked_run(*command)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "Traceback" in process(*command, "--traceback").communicate()[1]


def test_an_interrupted_run_says_so_and_keeps_what_it_has(tmp_path, process):
    (tmp_path / "slow.ens").write_text(
        "model Q = fake(style = echo)\nmodel S = fake(seconds = 1000)\n"
        "route(by = length(threshold = 3)) -> [Q, S]\n"
    )
    child = process("slow.ens", "a", "a much longer one", "--output", "a.jsonl", "--no-cache")
    path = tmp_path / "a.jsonl"
    for _ in range(400):
        if path.exists() and path.stat().st_size:
            break
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert (child.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in err
    assert len(path.read_text().splitlines()) == 1


def test_a_reader_that_stops_reading_is_no_error(process):
    with process("r.ens", *(str(at) for at in range(2000)), "--no-cache") as child:
        assert child.stdout.readline() == "0\n"
        child.stdout.close()
        err = child.stderr.read()
        child.wait(timeout=30)
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    assert "BrokenPipe" not in err


PARTLY = """
model A = fake(says = "a")
model broken = fake(fails = true)
model slow = fake(seconds = 1000)
"""


def test_branches_that_failed_are_told_once_and_the_status_is_good(run):
    Path("p.ens").write_text(PARTLY + "[A, A(top_k = 1), broken] -> vote()\n")
    status, out, err = run("p.ens", "1", "2", "3")
    assert (status, out) == (0, "a\na\na\n")
    assert err.count("W702") == 1
    assert "3 of 3 answers" in err


def test_queries_that_take_too_long_fail_and_others_do_not(run):
    Path("p.ens").write_text(PARTLY + "route(by = length(threshold = 20)) -> [A, slow]\n")
    status, out, _ = run("p.ens", "1", "2" * 99, "3", "--timeout", "0.3", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 4
    assert [each["answer"] for each in rows] == ["a", None, "a"]
    assert rows[1]["error"].startswith("[E702]")


@pytest.mark.parametrize("wrong", ["0", "-1", "soon", "nan", "inf"])
def test_a_limit_that_is_none_is_refused(run, wrong):
    assert run("r.ens", "1", "--timeout", wrong)[0] in (2, 3)

"""A run that is killed at any moment and started again until it is done."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from composer import zoo

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(tmp_path):
    """Start the command on files of this test, in a process of its own."""

    def run(*arguments):
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "composer", "run", "r.ens", "--no-cache", *arguments],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


def answers(path):
    """Read an output file; return the answer of each id, as often as it stands there."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return sorted((row["id"], row["answer"]) for row in rows)


def killed_until_done(start, path, kills, wait, seed=0):
    """Kill a run at random moments, each time once it has written more, then let it finish."""
    luck = random.Random(seed)
    finished = False
    for _ in range(kills):
        before = path.stat().st_size if path.exists() else 0
        process = start("--input", "q.jsonl", "--output", path.name)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if path.exists() and path.stat().st_size > before:
                break
            time.sleep(0.005)
        time.sleep(luck.random() * wait)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        finished = process.returncode == 0
    process = start("--input", "q.jsonl", "--output", path.name)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, ""), err
    return finished


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(tmp_path, start):
    recipe = "model A = fake(seconds = 0.02)\nmodel B = fake(style = echo, seconds = 0.02)\n"
    recipe += 'A(temperature = 1) -> prompt("""{{ query }} {{ answer }}""") -> B\n'
    (tmp_path / "r.ens").write_text(recipe)
    rows = [{"id": f"q{at}", "query": f"Question {at}?"} for at in range(40)]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    process = start("--input", "q.jsonl", "--output", "whole.jsonl")
    process.communicate(timeout=60)
    killed_until_done(start, tmp_path / "a.jsonl", kills=4, wait=0.03)
    assert answers(tmp_path / "a.jsonl") == answers(tmp_path / "whole.jsonl")
    assert len({id_ for id_, _ in answers(tmp_path / "a.jsonl")}) == 40


@pytest.mark.slow
def test_a_line_torn_by_a_kill_is_written_anew(tmp_path, start):
    (tmp_path / "r.ens").write_text("model A = fake()\nA\n")
    (tmp_path / "q.txt").write_text("one\ntwo\nthree\n")
    start("--input", "q.txt", "--output", "a.jsonl").communicate(timeout=60)
    path = tmp_path / "a.jsonl"
    whole = answers(path)
    for cut in (1, 10, len(path.read_text().splitlines()[-1])):
        path.write_bytes(path.read_bytes()[:-cut])
        _, err = start("--input", "q.txt", "--output", "a.jsonl").communicate(timeout=60)
        assert "2 already answered, 1 to go" in err
        assert answers(path) == whole


@pytest.mark.slow
def test_a_run_of_local_models_goes_on_where_it_was(tmp_path, start):
    if not {"general-1", "maths"} <= set(zoo.names()):
        pytest.skip("the zoo has no models")
    recipe = 'model P = zoo("general-1")\nmodel Q = zoo("maths")\n'
    recipe += "default generate(max_tokens = 24)\nlet both = [P, Q]\n"
    recipe += "[span_fuse(P, Q), P(temperature = 0.8), Q] -> rank() -> best()\n"
    (tmp_path / "r.ens").write_text(recipe)
    rows = [{"id": str(at), "query": f"What is {at} plus {at + 7}?"} for at in range(100)]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    process = start("--input", "q.jsonl", "--output", "whole.jsonl")
    process.communicate(timeout=300)
    killed_until_done(start, tmp_path / "a.jsonl", kills=10, wait=0.5)
    found, whole = answers(tmp_path / "a.jsonl"), answers(tmp_path / "whole.jsonl")
    assert [id_ for id_, _ in found] == [id_ for id_, _ in whole]
    assert len(whole) == 100
    # Which queries share a pass differs after a kill, so near ties may fall otherwise.
    assert sum(a == b for a, b in zip(found, whole, strict=True)) >= 98

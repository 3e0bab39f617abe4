"""Kept answers under faults: the run goes on without them, says so once, and loses no answer."""

import json
import multiprocessing
import os
import resource
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import forked
import pytest

import composer
from composer.run.cache import AnswerCache
from composer.run.result import ComposerWarning
from composer.run.sqlite_store import TextStore
from composer.values import Completion

ROOT = Path(__file__).parents[2]
ROWS = 200
QUESTIONS = [f"question {n}" for n in range(ROWS)]
RECIPE = "model A = fake()\nA"
ALONE = ROWS * [1]


def many(path, count=ROWS):
    """Answer many questions; return the calls that each took, and what was warned of."""
    with pytest.warns(ComposerWarning) as warned:
        calls = quiet(path, count)
    return calls, [str(each.message) for each in warned]


def quiet(path, count=ROWS):
    with composer.load(RECIPE).ready(cache=path) as ensemble:
        results = list(ensemble.map(QUESTIONS[:count]))
    assert [each.error for each in results] == [None] * count
    return [each.members["A"].calls for each in results]


def once(said, *words):
    """Hold that one warning was given, and that it says this."""
    assert len(said) == 1
    assert "warning[W710]: answers are not kept" in said[0]
    assert all(word in said[0] for word in words)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "answers.sqlite"


def a_folder(file):
    file.mkdir()


def below_a_file(file):
    file.parent.rmdir()
    file.parent.write_text("")


def no_database(file):
    file.write_bytes(b"SQLite format 4\0" + bytes(range(256)) * 40)


def of_another_program(file):
    with sqlite3.connect(file) as table:
        table.execute("CREATE TABLE answers (id INTEGER, said TEXT)")
        table.execute("INSERT INTO answers VALUES (1, 'mine')")


def of_a_later_version(file):
    quiet(file, 3)
    with sqlite3.connect(file) as table:
        table.execute("PRAGMA user_version = 99")


def of_another_layout(file):
    quiet(file, 3)
    with sqlite3.connect(file) as table:
        table.execute("ALTER TABLE kept DROP COLUMN crc")


def cut_in_half(file):
    quiet(file)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])


def overwritten(file):
    quiet(file)
    size = file.stat().st_size
    file.write_bytes(file.read_bytes()[:4096] + b"\xff" * (size - 4096))


FAULTS = {
    a_folder: "cannot be opened",
    below_a_file: "",
    no_database: "damaged",
    of_another_program: "was not changed",
    of_a_later_version: "another version",
    of_another_layout: "",
    cut_in_half: "damaged",
    overwritten: "damaged",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda each: each.__name__)
def test_a_file_that_cannot_be_used_costs_no_answer(fault, tmp_path):
    file = tmp_path / "below" / "answers.sqlite"
    file.parent.mkdir()
    fault(file)
    calls, said = many(file)
    assert calls == ALONE
    once(said, FAULTS[fault])


def test_a_file_of_another_program_is_left_as_it_is(file):
    of_another_program(file)
    before = file.read_bytes()
    many(file)
    assert file.read_bytes() == before


def test_the_first_layout_is_taken_over_in_silence(file):
    with sqlite3.connect(file) as table:
        for name in ("answers", "scores"):
            table.execute(f"CREATE TABLE IF NOT EXISTS {name} (key TEXT PRIMARY KEY, made TEXT)")
    assert quiet(file, 3) == [1, 1, 1]
    assert quiet(file, 3) == [0, 0, 0]


def test_a_kept_text_that_was_altered_is_not_believed(file):
    quiet(file, 3)
    with sqlite3.connect(file) as table:
        assert table.execute("UPDATE kept SET made = replace(made, 'e', 'o')").rowcount == 3
    assert quiet(file, 3) == [1, 1, 1]
    assert quiet(file, 3) == [0, 0, 0]


def hold(file, how, held, done):
    """Lock a file in a process of its own, until it is told to end."""
    table = sqlite3.connect(file, isolation_level=None)
    if how == "alone":
        table.execute("PRAGMA locking_mode = EXCLUSIVE")
    table.execute("BEGIN EXCLUSIVE")
    table.execute("CREATE TABLE IF NOT EXISTS other (x)")
    held.set()
    done.wait(60)
    table.execute("ROLLBACK")


@pytest.fixture
def locked(file):
    """Lock the file of kept answers: `locked(how)` returns what ends that."""
    spawn, started = multiprocessing.get_context("spawn"), []

    def lock(how):
        held, done = spawn.Event(), spawn.Event()
        process = spawn.Process(target=hold, args=(file, how, held, done))
        process.start()
        started.append((process, done))
        assert held.wait(60)
        return done

    yield lock
    for process, done in started:
        done.set()
        process.join()


@pytest.mark.parametrize("how", ["for writing", "alone"])
def test_a_lock_of_another_process_is_not_waited_for(how, file, locked):
    if how == "for writing":
        quiet(file, 1)
    locked(how)
    began = time.monotonic()
    calls, said = many(file, 50)
    assert sum(calls) >= 49
    once(said, "another process has locked it")
    assert time.monotonic() - began < 5


def test_a_lock_that_ends_in_time_costs_nothing(file, locked):
    quiet(file, 1)
    done = locked("for writing")
    with composer.load(RECIPE).ready(cache=file) as ensemble:
        list(ensemble.map(QUESTIONS[:50]))
        done.set()
    assert quiet(file, 50) == [0] * 50


VERB = ("run", "r.ens", "--json")
ASKED = "\n".join(QUESTIONS)


def cli(folder, run=forked.in_words, **environment):
    """Run the command in a process of its own; return its answers, stderr and status."""
    env = os.environ | {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "xdg")}
    (folder / "r.ens").write_text(RECIPE + "\n")
    done = run(*VERB, cwd=folder, env=env | environment, stdin=ASKED.encode())
    answers = [json.loads(line)["answer"] for line in done.stdout.splitlines()]
    return answers, done.stderr, done.returncode


def with_a_small_disk(*arguments, cwd, env, stdin):
    def small():
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    return subprocess.run(
        [sys.executable, "-m", "composer", *arguments],
        cwd=cwd,
        env=env,
        input=stdin,
        capture_output=True,
        preexec_fn=small,
        check=False,
        timeout=120,
    )


def test_a_disk_that_fills_up_costs_no_answer(tmp_path):
    answers, said, status = cli(tmp_path, with_a_small_disk)
    assert (len([each for each in answers if each]), status) == (ROWS, 0)
    assert said.count(b"W710") == 1


def test_a_user_without_a_home_is_answered(tmp_path):
    for home in ("", "not/absolute"):
        answers, said, status = cli(tmp_path, XDG_CACHE_HOME="", HOME=home)
        assert (len(answers), status, said.count("W710")) == (ROWS, 0, 1)
        assert "set HOME or XDG_CACHE_HOME" in said


def test_a_bound_that_is_no_size_is_said(tmp_path):
    answers, said, status = cli(tmp_path, COMPOSE_CACHE_SIZE="much")
    assert (answers, status) == ([], 3)
    assert "error[E715]" in said


def test_a_bound_of_nothing_keeps_nothing(tmp_path):
    _, said, _ = cli(tmp_path, COMPOSE_CACHE_SIZE="0")
    assert said == ""
    assert not list(tmp_path.rglob("answers.sqlite"))


def test_what_was_used_longest_ago_makes_room(file, monkeypatch):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    limit = 400_000
    for n in range(120):
        now += 4000
        store = TextStore(file, limit, pytest.fail)
        store.put(f"key {n}", "x" * 5000)
        assert n == 0 or store.get("key 0") is not None
        store.close()
    store = TextStore(file, limit, pytest.fail)
    held = [n for n in range(120) if store.get(f"key {n}") is not None]
    store.close()
    assert held[0] == 0
    assert held[1:] == list(range(held[1], 120))
    assert 20 < len(held) < 90
    assert file.stat().st_size < 2 * limit


def test_a_bound_that_was_lowered_shrinks_the_file(file):
    store = TextStore(file, 10**9, pytest.fail)
    for n in range(2000):
        store.put(f"key {n}", "x" * 1000)
    store.close()
    before = file.stat().st_size
    for n in range(12):
        store = TextStore(file, 100_000, pytest.fail)
        store.put(f"other {n}", "x")
        store.close()
    assert file.stat().st_size < before / 4


def test_an_answer_with_facts_that_are_no_json_is_not_kept(file):
    cache = AnswerCache(file, warn=pytest.fail)
    cache.put("key", Completion("text", facts={"seen": {1, 2}}))
    assert cache.get("key") is None
    cache.close()


@pytest.mark.filterwarnings("error")
def test_warnings_that_are_errors_cost_no_answer_of_a_run_that_began(file):
    with composer.load(RECIPE).ready(cache=file) as ensemble:
        ensemble("one")
        file.write_bytes(b"\xff" * 8192)
        file.with_name(file.name + "-wal").write_bytes(b"")
        assert [each.error for each in ensemble.map(QUESTIONS)] == [None] * ROWS

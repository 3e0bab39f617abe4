"""A first Ctrl-C, or SIGTERM, ends a command within a second, and nothing that was said is lost."""

import json
import signal
import subprocess
import sys
import textwrap
import time

import pytest

MODELS = """
model A = fake(says = "a")
model endless = fake(seconds = 1000)
"""
BLOCKED = "import sys, time; print('ready', file=sys.stderr, flush=True); time.sleep(60)"


@pytest.fixture
def interrupted(tmp_path):
    """Start a command, wait until it is ready, and interrupt it; return what it left.

    `before` is run first: it makes the command stop at some place, and say `ready` there.
    """

    def run(*arguments, before="", with_=signal.SIGINT, wait=None, until="ready"):
        code = textwrap.dedent(before) + "\nfrom composer.cli import main\nmain(sys.argv[1:])\n"
        command = [sys.executable, "-c", "import sys\n" + code, *arguments]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, cwd=tmp_path, text=True, **pipes)
        said = ""
        if wait is None:
            while until not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
        else:
            wait(process)
        began = time.perf_counter()
        process.send_signal(with_)
        out, err = process.communicate(timeout=20)
        return process.returncode, out, said + err, time.perf_counter() - began

    return run


def is_clean(code, err, took):
    """Say that a command ended as it should when it was interrupted."""
    return code == 130 and err.rstrip().endswith("interrupted") and took < 2 and "Trace" not in err


def patched(target, body=BLOCKED):
    """Return code that puts a function in the place of another: `module:name`."""
    module, _, name = target.partition(":")
    return f"""
        import importlib
        def blocked(*given, **more):
            {body}
        place = importlib.import_module({module!r})
        for each in {name!r}.split(".")[:-1]:
            place = getattr(place, each)
        setattr(place, {name!r}.split(".")[-1], blocked)
    """


@pytest.mark.parametrize("with_", [signal.SIGINT, signal.SIGTERM])
def test_waiting_for_a_member_ends(interrupted, tmp_path, with_):
    (tmp_path / "r.ens").write_text(MODELS + "[A, endless] -> vote()\n")
    body = "print('ready', file=sys.stderr, flush=True); import asyncio; return asyncio.sleep(60)"
    before = patched("composer.backends.fake:FakeClient._work", body)
    code, _, err, took = interrupted("run", "r.ens", "?", before=before, with_=with_)
    assert is_clean(code, err, took), err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        (("run", "local.ens", "?"), "composer.engine.rows.runner:Runner.forward"),
        (("run", "local.ens", "?"), "composer.engine.weights.local:load"),
        (("run", "local.ens", "?"), "composer.engine.engine:Engine.__init__"),
        (("run", "template.ens", "?"), "composer.methods.template:Template.render"),
        (("run", "read.ens", "?"), "composer.methods:Number.read"),
        (("run", "fake.ens", "?"), "composer.run.cache:AnswerCache.get"),
        (("check", "fake.ens"), "composer.compiler.graph.build:_answer"),
        (("plan", "fake.ens"), "composer.compiler.plan:make_plan"),
        (("eval", "fake.ens", "--data", "d.jsonl"), "composer.backends.fake:FakeClient._draw"),
        (("eval", "fake.ens", "--data", "d.jsonl"), "composer.evaluate.measure:_judged"),
        (("fit", "route.ens", "--data", "d.jsonl"), "composer.fit.fitting:fit"),
    ],
)
def test_whatever_it_is_at_it_ends(interrupted, tmp_path, arguments, target):
    (tmp_path / "fake.ens").write_text(MODELS + "A\n")
    (tmp_path / "local.ens").write_text('model Z = zoo("general-1")\nZ\n')
    (tmp_path / "template.ens").write_text(MODELS + 'prompt("""{{ query }}""") -> A\n')
    (tmp_path / "read.ens").write_text(MODELS + "A -> extract(number())\n")
    (tmp_path / "route.ens").write_text(MODELS + "route(by = knn()) -> [A, endless]\n")
    (tmp_path / "d.jsonl").write_text('{"id": "1", "query": "?", "reference": "a"}\n')
    code, _, err, took = interrupted(*arguments, before=patched(target))
    assert is_clean(code, err, took), err


def test_waiting_for_questions_ends(interrupted, tmp_path):
    (tmp_path / "r.ens").write_text(MODELS + "A\n")
    code, _, err, took = interrupted("run", "r.ens", wait=lambda _: time.sleep(1.5))
    assert is_clean(code, err, took), err


def test_what_was_answered_is_in_the_file_and_the_rest_is_answered_later(interrupted, tmp_path):
    (tmp_path / "r.ens").write_text(
        'model A = fake(says = "a")\nmodel slow = fake(says = "s", seconds = 1000)\n'
        "route(by = length(threshold = 20)) -> [A, slow]\n"
    )
    rows = [{"id": str(n), "query": "?" if n < 5 else "?" * 100} for n in range(8)]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    output = tmp_path / "a.jsonl"

    def five(_):
        while not output.exists() or output.read_bytes().count(b"\n") < 5:
            time.sleep(0.05)

    arguments = ("run", "r.ens", "--input", "q.jsonl", "--output", "a.jsonl")
    code, _, err, took = interrupted(*arguments, wait=five)
    assert is_clean(code, err, took), err
    done = [json.loads(line) for line in output.read_text().splitlines()]
    assert sorted(each["id"] for each in done) == ["0", "1", "2", "3", "4"]
    code, _, err, _ = interrupted(*arguments, until="5 already answered, 3 to go")
    assert code == 130, err


@pytest.mark.slow
def test_an_ensemble_in_a_block_that_is_interrupted_is_left_at_once():
    code = """
        import os, signal, threading, time, composer
        from composer.engine.rows.runner import Runner

        def step(*_, **__):
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
            time.sleep(60)

        Runner.forward = step
        try:
            with composer.load('model Z = zoo("general-1")\\nZ').ready() as ensemble:
                ensemble("?")
        except KeyboardInterrupt:
            print("left")
    """
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "left\n"
    assert time.perf_counter() - began < 40


@pytest.mark.parametrize(
    "needed", ["click", "composer.diagnostics", "composer.cli.verbs", "composer.recipe"]
)
def test_an_interruption_while_the_command_is_imported_shows_no_traceback(interrupted, needed):
    stop = f"""
        import sys, time
        class Slow:
            def find_spec(name, path, target=None):
                if name == {needed!r}:
                    print("ready", file=sys.stderr, flush=True)
                    time.sleep(60)
        sys.meta_path.insert(0, Slow)
    """
    code, _, err, took = interrupted("check", "none.ens", before=stop)
    assert is_clean(code, err, took)

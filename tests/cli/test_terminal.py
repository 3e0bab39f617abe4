"""What reaches a terminal, what is piped, and that no encoding and no reader ends a verb."""

import contextlib
import io
import json
import os
import pty
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import forked
import pytest

from composer.cli import main

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "composer"]
WILD = "a\x1b]0;owned\x07b\x1b[2Jc\x9b31md\re\u202ef\u2066g\x7fh\u200di\tj"
TAME = "a\ufffd]0;owned\ufffdb\ufffd[2Jc\ufffd31md\ufffde\ufffdf\ufffdg\ufffdh\u200di"
STEERING = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
OURS = re.compile("\x1b\\[[0-9;]*m|\r\n")

ECHO = """model A = fake(style = echo, confidence = 0.9)
model B = fake(style = echo, confidence = 0.9)
[A, B] -> vote() -> cascade(A, accept = confidence > 0.5)
"""
WORDS = "→ é ─ 日本"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "r.ens").write_text(f'example "{WORDS}"\n{ECHO}', encoding="utf-8")
    (tmp_path / "wrong.ens").write_text(f"# {WORDS}\nA -> vote(pr→ompt = 1)\n", encoding="utf-8")
    row = {"id": WILD, "query": WILD, "reference": WILD, WILD: 1}
    (tmp_path / "d.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    (tmp_path / "broken.ens").write_text("model A = fake(fails = true)\nA\n")
    (tmp_path / f"m{WILD}.ens").write_text("A ->\n")
    return tmp_path


def settings(folder, **environment):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "xdg")}
    return env | {"COLUMNS": "100", "TERM": "xterm", **environment}


def seen(folder, *arguments, **environment):
    """Run the command before a terminal; return what that is sent."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        env=settings(folder, **environment),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    data = read(ours)
    os.close(ours)
    child.wait(60)
    return data


def read(terminal):
    """Return what a terminal is sent until nothing writes to it any more."""
    data = b""
    with contextlib.suppress(OSError):  # which Linux raises where the other end is closed
        while chunk := os.read(terminal, 65536):
            data += chunk
    return data


def piped(folder, *arguments, stdin="", **environment):
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=settings(folder, **environment),
        input=stdin.encode(),
        capture_output=True,
        check=False,
        timeout=120,
    )


def called(folder, arguments, out, err):
    """Run the command in this process with streams of its own; return its status."""
    with pytest.MonkeyPatch.context() as patch, Path(os.devnull).open() as nothing:
        patch.chdir(folder)
        for name, value in settings(folder).items():
            patch.setenv(name, value)
        for name, stream in (("stdin", nothing), ("stdout", out), ("stderr", err)):
            patch.setattr(sys, name, stream)
        with pytest.raises(SystemExit) as ended:
            main(arguments)
    return ended.value.code


def shown(folder, *arguments):
    """Run the command in this process before a terminal; return what that is sent."""
    ours, theirs = pty.openpty()
    with ThreadPoolExecutor(1) as reader:
        data = reader.submit(read, ours)
        with os.fdopen(theirs, "w", encoding="utf-8") as stream:
            called(folder, arguments, stream, stream)
    os.close(ours)
    return data.result()


def written(folder, encoding, *arguments):
    """Run the command in this process with streams of an encoding; its status and what it wrote."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    err = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace")
    return called(folder, arguments, out, err), out.buffer.getvalue(), err.buffer.getvalue()


def tame(data):
    """Hold that nothing steers the terminal but colours and line ends of ours."""
    text = data.decode()
    rest = OURS.sub("", text)
    assert not STEERING.search(rest), rest
    assert "\x1b" not in rest, rest
    return text


SHOWN = {
    "run": ("run", "r.ens", WILD),
    "stream": ("run", "r.ens", WILD, "--stream"),
    "run --trace": ("run", "r.ens", WILD, "--trace"),
    "ids of failures": ("run", "broken.ens", "--input", "d.jsonl"),
    "eval": ("eval", "r.ens", "--data", "d.jsonl"),
    "file names": ("check", f"m{WILD}.ens"),
    "files that are not there": ("plan", f"no{WILD}.ens"),
    "wrong usage": ("run", "r.ens", "--input", f"no{WILD}"),
    "wrong options": ("plan", "r.ens", "--set", f"{WILD}=1"),
    "wrong words": (f"ru{WILD}",),
    "plan": ("plan", "r.ens", "--set", 'model.A.says="' + WILD.replace("\r", "") + '"'),
    "graph": ("graph", "r.ens", "--set", 'model.A.says="' + WILD.replace("\r", "") + '"'),
}


@pytest.mark.parametrize("what", SHOWN)
def test_no_text_steers_a_terminal(what, folder):
    assert tame(shown(folder, *SHOWN[what]))


def test_an_answer_reads_on_a_terminal_as_far_as_it_can(folder):
    assert TAME in tame(shown(folder, "run", "r.ens", WILD))


def test_traces_of_a_file_steer_no_terminal(folder):
    written(folder, "utf-8", "run", "r.ens", WILD, "--trace", "t.jsonl")
    tame(shown(folder, "trace", "t.jsonl"))
    tame(shown(folder, "trace", "t.jsonl", "--full"))
    assert json.loads(tame(shown(folder, "trace", "t.jsonl", "--json")))["query"] == WILD


def test_json_on_a_terminal_means_what_is_piped(folder):
    there = json.loads(tame(shown(folder, "run", "r.ens", WILD, "--json")))
    _, piped_, _ = written(folder, "utf-8", "run", "r.ens", WILD, "--json")
    assert there["answer"] == json.loads(piped_)["answer"] == WILD


@pytest.mark.parametrize("more", [(), ("--stream",)])
def test_what_is_piped_is_what_the_model_said(more, folder):
    assert written(folder, "utf-8", "run", "r.ens", WILD, *more)[1] == (WILD + "\n").encode()


VERBS = {
    "run": ("run", "r.ens", "--trace"),
    "stream": ("run", "r.ens", "--stream"),
    "json": ("run", "r.ens", "--json"),
    "check": ("check", "wrong.ens"),
    "plan": ("plan", "r.ens"),
    "graph": ("graph", "r.ens"),
    "explain": ("explain", "r.ens"),
    "explain a code": ("explain", "E301"),
    "fmt": ("fmt", "r.ens", "--to", "yaml"),
    "ls": ("ls", "parts"),
    "eval": ("eval", "r.ens", "--data", "d.jsonl"),
    "help": ("--help",),
}


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-16"])
@pytest.mark.parametrize("verb", VERBS)
def test_no_encoding_ends_a_verb(verb, encoding, folder):
    plain = written(folder, "utf-8", *VERBS[verb])
    status, out, err = written(folder, encoding, *VERBS[verb])
    assert status == plain[0]
    assert b"codec" not in err
    if verb not in ("run", "eval", "json"):  # which tell of seconds
        assert (out, err) == plain[1:]


@pytest.mark.parametrize("verb", ["run", pytest.param("check", marks=pytest.mark.slow)])
def test_no_encoding_of_the_environment_ends_a_process(verb, folder):
    plain = forked.compose(*VERBS[verb], cwd=folder, env=settings(folder))
    other = piped(folder, *VERBS[verb], PYTHONIOENCODING="ascii")
    assert other.returncode == plain.returncode
    assert other.stdout == plain.stdout
    assert b"codec" not in other.stderr


def test_what_an_encoding_lacks_is_replaced_on_a_terminal(folder):
    shown = seen(folder, "run", "r.ens", WORDS, PYTHONIOENCODING="latin-1")
    assert shown == "? é ? ??\r\n".encode("latin-1")


def test_questions_are_utf_8_whatever_the_locale(folder):
    bare = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    for given in ({"stdin": WORDS}, {}):
        words = () if given else (WORDS,)
        done = piped(folder, "run", "r.ens", *words, **given, **bare)
        assert done.stdout.decode() == WORDS + "\n"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_stops_is_no_error(stream, folder):
    (folder / "q.txt").write_text("question\n" * 3000)
    verb = ("run", "r.ens", "--input", "q.txt", "--no-cache")
    failing = "model A = fake(fails = true)\nA\n"
    (folder / "r.ens").write_text(failing if stream == "stderr" else ECHO)
    reading, writing = os.pipe()
    other = "stderr" if stream == "stdout" else "stdout"
    child = subprocess.Popen(
        [*COMMAND, *verb],
        cwd=folder,
        env=settings(folder),
        **{stream: writing, other: subprocess.PIPE},
    )
    os.close(writing)
    os.read(reading, 100)
    os.close(reading)
    _, said = child.communicate(timeout=60)
    assert not said
    assert child.returncode == 0


def test_a_full_disk_under_an_answer_is_said_and_under_a_log_is_not(folder):
    for stream, status in (("stdout", 3), ("stderr", 0)):
        with Path("/dev/full").open("w") as full:
            other = {"stdout": "stderr", "stderr": "stdout"}[stream]
            done = subprocess.run(
                [*COMMAND, "run", "r.ens"],
                cwd=folder,
                env=settings(folder),
                check=False,
                **{stream: full, other: subprocess.PIPE},
            )
        assert done.returncode == status
        said = (done.stdout or done.stderr).decode()
        assert ("error[E718]: cannot write the answers" in said) == (stream == "stdout")


def test_a_process_without_streams_ends_like_any_other(folder):
    line = f'{sys.executable} -m composer run r.ens "why?" >&- 2>&-'
    done = subprocess.run(line, shell=True, cwd=folder, env=settings(folder), check=False)
    assert done.returncode == 0


def test_everything_that_a_verb_says_leaves_by_one_door():
    for file in (ROOT / "composer" / "cli").glob("*.py"):
        assert "click.echo" not in file.read_text(encoding="utf-8"), file.name

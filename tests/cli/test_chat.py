"""A conversation in the terminal: through a pipe, and as a person sees it."""

import io
import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from composer.cli import main
from tests import golden

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

RECIPE = """model A = fake(knows = [["2", "four"]], says = "yes", confidence = 0.9, price = [1, 2])
model B = fake(says = "yes", confidence = 0.5, seed = 1, price = [1, 2])
model C = fake(says = "no", confidence = 0.4, price = [1, 2])
[A, B, C] -> vote()
"""

SCRIPT = """/why
/again
Is it?

/members
/why
/cost
/set
/set temperature=0.5
/set stop=.
/set temprature=1
/set temperature=-1
/set logit_bias=[[5, 1]]
/set logit_bias={"5": 1}
/set stop=[{}]
/set seed=x
/set stop=none
/set
/set temperature
/again
What is 2?
/undo
/undo
/undo
/save
/save nowhere/talk.md
/nope
/help
/quit
this is not asked
"""


@pytest.fixture
def chat(tmp_path, monkeypatch, capsys):
    """Talk through a pipe; return the status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.ens").write_text(RECIPE)

    def talk(lines, *options, recipe=None):
        if recipe is not None:
            (tmp_path / "r.ens").write_text(recipe)
        stdin = io.TextIOWrapper(io.BytesIO(lines.encode(errors="surrogateescape")))
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(SystemExit) as end:
            main(["chat", "r.ens", "--no-cache", *options])
        said = capsys.readouterr()
        return end.value.code, said.out, said.err

    return talk


def test_answers_go_to_stdout_and_all_else_to_stderr(chat):
    status, out, err = chat(SCRIPT)
    assert status == 0
    steady = re.sub(r"\d+\.\d\d s, \d+ tokens/s", "0.00 s", err)
    golden.check(HERE / "golden" / "chat.txt", f"{out}\n--- stderr ---\n{steady}")


def test_what_was_said_goes_along(chat):
    echo = 'model M = fake(style = echo)\nprompt("{{ messages | length }}") -> M\n'
    assert chat("a\nb\n/undo\nc\n", recipe=echo)[1].split() == ["1", "3", "3"]


def test_json_lines_are_results(chat):
    _, out, _ = chat("Is it?\nWhat is 2?\n", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["id"], row["query"]) for row in rows] == [("1", "Is it?"), ("2", "What is 2?")]


def test_a_failure_is_told_and_ends_no_conversation(chat):
    failing = 'model M = fake(fails = true)\nmodel B = fake(says = "b")\nM\n'
    status, out, err = chat("a\nb\n", recipe=failing)
    assert (status, out) == (3, "")
    assert err.count("no answer: [E701] `M` failed") == 2
    rows = [json.loads(line) for line in chat("a\n", "--json")[1].splitlines()]
    assert [row["answer"] for row in rows] == [None]


def test_what_is_no_text_is_said(chat):
    status, _, err = chat("\udcff\n")
    assert status == 1
    assert "a line is not text in UTF-8" in err


def test_each_repetition_is_drawn_anew(chat):
    drawn = 'model M = fake(among = ["a", "b", "c", "d"])\nM(temperature = 1)\n'
    _, out, _ = chat("Why?\n" + "/again\n" * 5, recipe=drawn)
    assert len(set(out.split())) > 1


def test_a_saved_conversation_can_be_asked_again(chat, tmp_path):
    chat("Is it?\nWhat is 2?\n/save talk.jsonl\n/save talk.md\n")
    rows = [json.loads(line) for line in (tmp_path / "talk.jsonl").read_text().splitlines()]
    assert [len(row["messages"]) for row in rows] == [1, 3]
    assert (tmp_path / "talk.md").read_text() == "> Is it?\n\nyes\n\n> What is 2?\n\nyes\n"
    with pytest.raises(SystemExit):
        main(["run", "r.ens", "--input", "talk.jsonl", "--output", "o.jsonl", "--no-cache"])
    assert len((tmp_path / "o.jsonl").read_text().splitlines()) == 2


IN_A_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from composer.cli import main
main(sys.argv[1:])
"""


class Person:
    """A person before a terminal in which `compose chat` runs."""

    def __init__(self, folder):
        self.ours, theirs = pty.openpty()
        env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
        command = [sys.executable, "-c", IN_A_TERMINAL, "chat", "r.ens", "--no-cache"]
        pipes = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        self.process = subprocess.Popen(
            command, cwd=folder, env=env, start_new_session=True, **pipes
        )
        os.close(theirs)

    def types(self, text, until="\n> "):
        """Type, and return what is shown until then."""
        os.write(self.ours, text.encode())
        return self.sees(until)

    def sees(self, until):
        """Return what is shown until some text comes."""
        data, end = "", time.monotonic() + 30
        while until not in data and time.monotonic() < end:
            if select.select([self.ours], [], [], 0.1)[0]:
                data += os.read(self.ours, 4096).decode(errors="replace").replace("\r", "")
        return data


@pytest.fixture
def person(tmp_path):
    both = "confidence = 0.5, seconds = 0.4"
    (tmp_path / "r.ens").write_text(
        f'model A = fake(says = "a b", {both})\nmodel B = fake(says = "c", {both})\n'
        "[A, B] -> rank(ties = first()) -> best()\n"
    )
    person = Person(tmp_path)
    yield person
    person.process.kill()
    person.process.wait()
    os.close(person.ours)


def test_a_person_sees_colours_and_stops_an_answer_without_leaving(person):
    assert "write /help" in person.sees("> ")
    answer = person.types("Why?\n")
    assert "\x1b[36ma b\x1b[0m" in answer
    assert "2 calls, 0.4" in answer
    os.write(person.ours, b"And then?\n")
    person.sees("asking A, B")
    stopped = person.types("\x03")
    assert "stopped" in stopped
    assert "a b" not in stopped
    assert "Show this." in person.types("/help\n")
    assert "stopped" in person.types("half a line\x03")
    assert "half a line" in person.types("half a line", until="line")
    assert "stopped" in person.types("\x03")  # also while `input` still shows what was typed
    assert "a b" in person.types("/again\n")
    os.write(person.ours, b"\x04")
    assert person.process.wait(10) == 0

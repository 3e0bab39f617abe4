"""A step, a part and a backend that another package adds by entry points."""

import json
import os

import forked
import pytest

MODULE = '''
from dataclasses import replace
from typing import ClassVar

from composer.backends import Capability, Card, Remote
from composer.methods import Agreement
from composer.values import (
    Client,
    Completion,
    Decision,
    Generate,
    Generated,
    Query,
    Text,
    Usage,
)
from composer.steps import step


class Shouting(Agreement):
    """The same words, however loud."""

    name: ClassVar[str] = "shouting"
    marks: str = "!?"

    def same(self, left: str, right: str) -> float:
        """Compare without case and marks."""
        return float(self.key(left) == self.key(right))

    def key(self, text: str) -> str:
        """Return the answer without case and marks."""
        return text.upper().rstrip(self.marks)


class Echo(Remote):
    """A model that repeats the question."""

    name: ClassVar[str] = "echo"
    times: int = 1

    def card(self) -> Card:
        """It answers in text."""
        return Card(Capability.TEXT, "echo")

    async def open(self, name: str) -> "EchoClient":
        """There is nothing to connect to."""
        return EchoClient(self.times, name)


class EchoClient(Client):
    """Answers for one model of a recipe."""

    def __init__(self, times: int, name: str) -> None:
        self.times, self.name = times, name

    async def generate(self, request: Generate, on_text=None) -> Generated:
        """Repeat the question."""
        text = " ".join([request.query.text] * self.times)
        if on_text is not None:
            on_text(text)
        return Generated((Completion(text, usage={self.name: Usage(calls=1)}),) * request.draws)


@step(hidden=("names",))
def by_length(query: Query, limit: int = 20, *, names: tuple[str, ...] = ()) -> Decision:
    """Short questions to the first branch, all others to the last."""
    chosen = names[0] if len(query.text) <= limit else names[-1]
    return Decision(query, {name: float(name == chosen) for name in names})


@step()
def shorten(answer: Text, words: int = 3) -> Text:
    """Keep the first words of an answer."""
    return replace(answer, text=" ".join(answer.text.split()[:words]))
'''

ENTRY_POINTS = """\
[composer.parts]
shouting = loud_package:Shouting

[composer.models]
echo = loud_package:Echo

[composer.steps]
shorten = loud_package:shorten
by_length = loud_package:by_length
"""


@pytest.fixture
def compose(tmp_path):
    """Run the command where the package is installed."""
    (tmp_path / "loud_package.py").write_text(MODULE, encoding="utf-8")
    info = tmp_path / "loud_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: loud-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")

    def run(*arguments, recipe=""):
        path = tmp_path / "r.ens"
        path.write_text(recipe, encoding="utf-8")
        paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "PYTHONPATH": paths}
        return forked.in_words(*arguments, cwd=tmp_path, env=environment)

    return run


def test_all_three_run_in_one_recipe(compose):
    recipe = """
model A = echo(times = 2)
model B = fake(says = "YES YES!")
model C = fake(says = "no")
[A, B, C] -> vote(by = shouting(), ties = first()) -> shorten(1)
"""
    done = compose("run", "r.ens", "yes", recipe=recipe)
    assert (done.returncode, done.stdout.strip()) == (0, "yes"), done.stderr


def test_their_options_are_checked_like_ours(compose):
    recipe = 'model A = echo(tims = 2)\nA -> shorten(words = "x")\n'
    done = compose("check", "r.ens", recipe=recipe)
    assert done.returncode == 1
    assert "`echo` has no option `tims`" in done.stderr
    assert "did you mean `times`" in done.stderr
    assert "expected a whole number" in done.stderr


def test_they_are_listed_and_explained(compose):
    assert "shorten" in compose("ls", "steps").stdout
    assert "shouting" in compose("ls", "parts").stdout
    assert "echo" in compose("ls", "models").stdout
    assert "Keep the first words" in compose("explain", "step", "shorten").stdout


def test_a_misspelt_name_of_theirs_is_suggested(compose):
    done = compose("check", "r.ens", recipe="model A = echo()\nA -> shoten(2)\n")
    assert "did you mean `shorten`" in done.stderr


ROUTED = """
model A = fake(says = "short")
model B = fake(says = "long")
by_length(10) -> [A, B]
"""


def test_a_step_that_decides_routes_like_ours(compose):
    done = compose("run", "r.ens", "Hello?", "Hello, how are you?", recipe=ROUTED)
    assert done.stdout.split() == ["short", "long"], done.stderr


def test_a_step_that_decides_is_planned_and_drawn_like_ours(compose):
    assert "by_length(r0)" in compose("plan", "r.ens", recipe=ROUTED).stdout
    drawn = compose("graph", "r.ens", recipe=ROUTED).stdout
    assert "A, B; limit = 10" in drawn


def test_what_a_step_decides_is_evaluated_like_ours(compose, tmp_path):
    rows = [
        {"id": "1", "query": "Hello?", "reference": "short"},
        {"id": "2", "query": "Hello, how are you?", "reference": "long"},
    ]
    data = tmp_path / "rows.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    done = compose("eval", "r.ens", "--data", str(data), "--json", recipe=ROUTED)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accuracy"] == 1.0


BROKEN = """
[composer.parts]
bad = broken_package:Part

[composer.steps]
bad_step = broken_package:step

[composer.models]
bad_model = broken_package:Model
"""


def test_a_broken_package_is_left_out_and_named_and_stops_nothing_else(compose, tmp_path):
    info = tmp_path / "broken_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(BROKEN)
    (tmp_path / "broken_package.py").write_text("import nothing_of_this_name\n")
    recipe = "model A = echo()\n[A, A, A] -> vote(by = shouting()) -> shorten(1)\n"
    done = compose("check", "r.ens", recipe=recipe)
    assert (done.returncode, done.stdout) == (0, "r.ens: no mistakes\n"), done.stderr
    assert "Traceback" not in done.stderr
    told = [line for line in done.stderr.splitlines() if "broken-package" in line]
    kinds = ("part `bad`", "backend `bad_model`")
    assert all(any(kind in line for line in told) for kind in kinds), done.stderr
    assert all(line.startswith("warning: the ") for line in told)
    assert "update that package, or uninstall it" in told[0]
    listed = compose("ls", "steps")
    assert listed.returncode == 0
    assert "shorten" in listed.stdout
    assert "the step `bad_step` of the package `broken-package` is left out" in listed.stderr

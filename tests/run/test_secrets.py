"""No secret of the environment leaves in an error, a plan, a lock, a trace or a kept file."""

import os
from pathlib import Path

import forked
import pytest

from composer.diagnostics import Diagnostic
from composer.diagnostics.secrets import hide, starred
from composer.run.result import Failure

ROOT = Path(__file__).parents[2]
KEY = "p@ss w\\rd/é'\"42"
TOKEN = "a-very-long-token"
MODULE = '''
from typing import ClassVar
from urllib.parse import quote

from composer.backends import Capability, Card, Remote
from composer.values import Client


class Leaky(Remote):
    """A model whose library repeats the key in its errors."""

    name: ClassVar[str] = "leaky"
    key: str = ""
    how: str = "plain"

    def card(self):
        """It answers in text."""
        return Card(Capability.TEXT, "leaky")

    async def open(self, name):
        """Say the key where it is not asked for."""
        if self.how == "open":
            raise RuntimeError(f"no session for {self.key}")
        return LeakyClient(self)


class LeakyClient(Client):
    """Fails in every way there is."""

    keeps = True

    def __init__(self, leaky):
        self.leaky = leaky

    async def generate(self, request, on_text=None):
        """Repeat the key."""
        key = self.leaky.key
        said = {"plain": key, "quoted": repr(key), "address": f"https://x/?key={quote(key, '')}"}
        try:
            raise ValueError(f"401 {said.get(self.leaky.how, key)}")
        except ValueError as error:
            raise ConnectionError({"headers": {"Authorization": key}}, key) from error
'''
RECIPE = """model L = leaky(key = env("LEAKY_KEY"), how = {how})
model S = fake(says = "x", seed = 1)
L
"""
HOWS = ("plain", "quoted", "address", "open")


@pytest.fixture
def say(tmp_path):
    """Run the command with the plugin; return all that it says and writes, as one text."""
    (tmp_path / "leaky_package.py").write_text(MODULE)
    info = tmp_path / "leaky_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: leaky-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[composer.models]\nleaky = leaky_package:Leaky\n")
    env = os.environ | {
        "PYTHONPATH": f"{ROOT}:{tmp_path}",
        "LEAKY_KEY": KEY,
        "OTHER_API_KEY": TOKEN,
        "XDG_CACHE_HOME": str(tmp_path / "xdg"),
    }

    def run(recipe, *arguments):
        (tmp_path / "r.ens").write_text(recipe)
        done = forked.compose(*arguments, cwd=tmp_path, env=env)
        written = [*tmp_path.glob("w.*"), *tmp_path.glob("r.*"), *(tmp_path / "xdg").rglob("*.*")]
        parts = [done.stdout, done.stderr, *(file.read_bytes() for file in written)]
        return b"\n".join(parts).decode(errors="replace")

    return run


def clean(text):
    """Hold that no form of the key is in a text."""
    for form in (KEY, repr(KEY)[1:-1], "p%40ss", "p@ss", TOKEN):
        assert form not in text, text
    return text


ASKED = {
    "run": ("run", "r.ens", "why?"),
    "json": ("run", "r.ens", "why?", "--json"),
    "trace": ("run", "r.ens", "why?", "--trace"),
    "trace file": ("run", "r.ens", "why?", "--trace", "w.jsonl"),
    "output": ("run", "r.ens", "why?", "--output", "w.out"),
    "traceback": ("run", "r.ens", "why?", "--traceback"),
}


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("verb", ["json", "trace file"])
def test_no_form_of_a_key_is_repeated(verb, how, say):
    assert "***" in clean(say(RECIPE.format(how=f'"{how}"'), *ASKED[verb]))


@pytest.mark.parametrize("verb", ASKED)
def test_no_verb_repeats_a_key(verb, say):
    assert "***" in clean(say(RECIPE.format(how='"plain"'), *ASKED[verb]))


@pytest.mark.parametrize("how", ["plan", "graph", "explain", "check"])
def test_no_picture_of_a_recipe_shows_a_key(how, say):
    clean(say(RECIPE.format(how='"plain"'), how, "r.ens"))
    clean(say(RECIPE.format(how='"plain"'), "fmt", "r.ens"))


def test_a_plan_and_a_lock_show_stars_and_the_lock_holds(say):
    recipe = RECIPE.format(how='"plain"')
    for more in (("--json",), ("--origin",), ("--lock",)):
        assert "***" in clean(say(recipe, "plan", "r.ens", *more))
    assert "E506" not in say(recipe, "run", "r.ens", "why?")
    assert "E506" in say(recipe.replace("plain", "open"), "run", "r.ens", "why?")


def test_an_eval_that_fails_repeats_no_key(say):
    arguments = ("eval", "r.ens", "--data", "zoo:test", "--limit", "3")
    assert "***" in clean(say(RECIPE.format(how='"plain"'), *arguments))


def test_a_file_that_is_named_by_the_environment_is_not_told(say):
    assert "`***`" in clean(say('model R = recorded(env("LEAKY_KEY"))\nR\n', "check", "r.ens"))


def test_errors_of_the_python_face_and_what_led_to_them_have_stars():
    hide(KEY)
    error = KeyError(KEY, 1)
    error.__cause__ = ValueError(f"bad {KEY}")
    failure = Failure.of(error)
    assert error.args == ("***", 1)
    assert str(error.__cause__) == "bad ***"
    assert KEY not in str(failure)
    assert Diagnostic("E701", f"no {KEY}", values=(KEY,), help=KEY).values == ("***",)


def test_short_values_are_no_secrets_and_keys_are_known_by_their_form(monkeypatch):
    hide("en")
    assert starred("then") == "then"
    assert starred(f"key sk-{'a1' * 12}.") == "key ***."
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    assert starred(f"-{TOKEN}-") == "-***-"

"""Answers that are kept on disk: who is answered out of them, and who must not be."""

import json

import pytest

from composer.methods.table import parts
from composer.recipe import Recipe

QUESTION = {"id": "q", "query": "Add 3 and 4.", "hint": "now"}
HEAD = """use "zoo.ens" (general, general_2, maths, text, large, other)
default generate(max_tokens = 2)
"""
APART = """
let please = prompt(\"""Please: {{ query }}\""") -> general
let now = prompt(\"""Now: {{ query }}\""") -> general
cascade(
  general,
  maths,
  general(max_tokens = 3),
  general(stop = ["7"]),
  prompt(\"""{{ query }}\""", system = "Be brief.") -> general,
  prompt(\"""{{ query }}!\""") -> general,
  token_fuse(general, maths),
  token_fuse(maths, general),
  token_fuse(general, maths, weights = [2, 1]),
  token_fuse(general, maths, combine = minimum()),
  token_fuse(general, maths, plausible = 0.5),
  token_fuse(general, maths, weigh = entropy()),
  token_fuse(general, maths, weigh = entropy(power = 2)),
  token_fuse(general, maths, gate = unsure(below = 0.7)),
  token_fuse(general, maths, gate = unsure(below = 0.8)),
  token_fuse(general, maths, draft = safe(tokens = 2)),
  token_fuse(general + 0.5 * (maths - general_2)),
  token_fuse(general + 0.6 * (maths - general_2)),
  token_fuse(general + 0.5 * (maths - general_2), normalize = true),
  token_fuse(general, other, align = union()),
  token_fuse(general, other, align = topk(k = 3)),
  token_fuse(general, other, align = topk(k = 4)),
  token_fuse(please, maths),
  token_fuse(now, maths),
  token_fuse(token_fuse(general, maths), text),
  token_fuse(general, maths, text),
  span_fuse(general, maths),
  span_fuse(general, maths, span = words(n = 2)),
  span_fuse(general, maths, max_span_tokens = 3),
  byte_fuse(general, maths),
  byte_fuse(general, maths, top = 4),
  handoff(general, maths),
  handoff(general, maths, when = doubt(window = 2)),
  handoff(general, maths, when = doubt(below = 0.4)),
  accept = confidence > 1,
)
"""
"""Models one after the other of which no two may share an answer."""

DRAWN = [
    "maths(temperature = 1)",
    "maths(temperature = 2)",
    "maths(temperature = 1, top_p = 0.5)",
    "maths(temperature = 1, top_k = 2)",
    "maths(temperature = 1, min_p = 0.1)",
]
TOGETHER = [
    ("general", 'model G = zoo("general-1", price = [1, 1])\nG'),
    ("token_fuse(general, maths)", "let m = token_fuse(general, maths)\n[m, m] -> vote()"),
    ("maths(temperature = 1)", "let once = maths(temperature = 1)\n[once, once] -> vote()"),
]
"""Pairs whose second one is answered out of what the first one asked."""


def ask(path, text, seed=0):
    """Answer out of a file of kept answers."""
    with Recipe.load(HEAD + text, seed=seed).ready(cache=path) as ensemble:
        return ensemble(QUESTION)


def calls(result):
    """Count the calls that an answer took."""
    return sum(each.calls for each in result.members.values())


def asked(result):
    """Return what was answered in each step, and whether it was kept from before."""
    steps = result.trace.as_dict()["steps"]
    return [(each["text"], each["cached"]) for step in steps for each in step["asked"]]


def test_no_two_models_share_an_answer_and_each_is_kept(tmp_path):
    path = tmp_path / "answers.sqlite"
    first, again = ask(path, APART), ask(path, APART)
    assert len(asked(first)) == APART.count("\n  ") - 1
    assert [kept for _, kept in asked(first) if kept] == []
    assert asked(again) == [(text, True) for text, _ in asked(first)]
    assert calls(again) == 0


def test_no_two_ways_to_draw_share_an_answer(tmp_path):
    path = tmp_path / "answers.sqlite"
    assert [calls(ask(path, text)) for text in (*DRAWN, *DRAWN)] == [1] * 5 + [0] * 5


@pytest.mark.parametrize(("one", "other"), TOGETHER)
def test_what_is_the_same_is_asked_once(one, other, tmp_path):
    path = tmp_path / "answers.sqlite"
    first = ask(path, one)
    assert calls(first) > 0
    again = ask(path, other)
    assert (again.answer, calls(again)) == (first.answer, 0)


def test_a_seed_matters_where_something_is_drawn_and_nowhere_else(tmp_path):
    path = tmp_path / "answers.sqlite"
    for text, again in (("maths", 0), ("maths(temperature = 1)", 1)):
        assert calls(ask(path, text)) == 1
        assert calls(ask(path, text, seed=1)) == again


def test_scores_and_prompts_that_were_read_are_kept_too(tmp_path):
    path = tmp_path / "answers.sqlite"
    ranked = "[general, maths] -> rank({}, by = likely()) -> best()"
    for text, other in (
        (ranked.format("text"), ranked.format("other")),
        (ranked.format("token_fuse(general, text)"), ranked.format("token_fuse(text, general)")),
        ("route -> [general, maths, text]", "route -> [general, large]"),
    ):
        assert [calls(ask(path, text)) > 0 for text in (text, text, other)] == [True, False, True]


def test_the_command_answers_out_of_what_it_kept_and_says_so(tmp_path, compose, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    recipe, trace = tmp_path / "r.ens", tmp_path / "t.jsonl"
    recipe.write_text('model A = fake("yes", price = [1, 1])\nA\n')
    run = ("run", recipe, "Why?", "--json", "--trace", trace)
    first, second, third = (compose(*run, *more) for more in ((), (), ("--no-cache",)))
    made = [json.loads(out)["members"]["A"]["calls"] for _, out, _ in (first, second, third)]
    steps = [json.loads(line)["steps"] for line in trace.read_text().splitlines()]
    cached = [each["cached"] for step in steps for one in step for each in one["asked"]]
    assert (made, cached) == ([1, 0, 1], [False, True, False])


PLUGIN = '''
from typing import ClassVar

from composer.methods import Combine, Mean


class Like(Combine):
    """As another one combines."""

    name: ClassVar[str] = "like"

    of: Combine = Mean()

    def combine(self, aligned, weights):
        """Do as the other one does."""
        return self.of.combine(aligned, weights)
'''


@pytest.fixture
def plugged(tmp_path, monkeypatch):
    """Install a package whose part of a fuse takes a part; return what it answers."""
    (tmp_path / "like_package.py").write_text(PLUGIN)
    info = tmp_path / "like_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: like-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[composer.parts]\nlike = like_package:Like\n")
    monkeypatch.syspath_prepend(tmp_path)
    parts.cache_clear()
    yield (
        lambda of, file: (
            ask(tmp_path / file, f"token_fuse(general, text, combine = like(of = {of}()))").answer
        )
    )
    parts.cache_clear()


def test_a_part_of_another_package_may_take_a_part(plugged):
    assert (plugged("mean", "one"), plugged("minimum", "other")) == ("y", "3")


def test_options_of_any_class_keep_answers_apart(plugged):
    assert (plugged("mean", "one"), plugged("minimum", "one")) == ("y", "3")

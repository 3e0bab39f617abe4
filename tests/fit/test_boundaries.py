"""`compose fit` fits a learned boundary of a span fuse, and runs use it."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import composer
from composer.diagnostics import Mistakes
from composer.engine.sessions.span_parts import SpanText
from composer.fit.boundaries import _examples
from composer.fit.fitting import fit
from composer.fit.settings import FitSettings
from composer.methods.spans.learned import FEATURES, LearnedBoundary, features
from composer.methods.spans.words import words
from composer.values import Fitted, Score, State

ZOO = Path(__file__).parents[2] / "composer" / "zoo"
RECIPE = 'use "zoo.ens" (text, maths)\nspan_fuse(text, maths, span = learned_boundary())\n'


def fitted(*coefficients, **options):
    state = State({"w": np.array(coefficients, float)}, {"part": "learned_boundary"})
    return LearnedBoundary(**options).bound(Fitted(("a", "b"), 1, lambda: {"state": state}))


def cut(boundary, tokens, margins):
    span = SpanText()
    for token, margin in zip(tokens, margins, strict=True):
        span.add(token.encode(), margin)
        if (kept := span.cut(boundary)) is not None:
            return "".join(tokens[:kept])
    return None


def test_what_is_read_where_a_word_ends():
    _, second, *_ = words("Yes, it is 42.\nok")
    assert features(second, 2, 0.25) == (0.25, math.log(2), 0.0, 0.0, 0.0, 0.0)
    (*_, last) = words("Yes, it is 42.\nok")
    assert features(last, 1, 1.0) == (1.0, 0.0, 1.0, 1.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("boundary", "expected"),
    [
        (fitted(-10, 0, 0, 0, 0, 0, 5), " a b"),  # the margin is below a half behind b
        (fitted(0, 0, 0, 0, 0, 0, 1), " a"),
        (fitted(0, 0, 0, 0, 0, 0, 1, above=0.9), None),
        (fitted(0, 0, 0, 0, 0, 0, -1000, most=3), " a b c,"),
        (fitted(0, 0, 0, 9, 0, 0, -5), " a b c,"),
        (fitted(0, 9, 0, 0, 0, 0, -5), " a b"),
    ],
)
def test_a_span_ends_where_the_probability_is_large_enough(boundary, expected):
    tokens = [" a", " b", " c,", " d", " e"]
    assert cut(boundary, tokens, [0.9, 0.9, 0.4, 0.9, 0.9]) == expected


def test_a_wrong_state_is_refused():
    with pytest.raises(composer.values.ModelError, match="wrong shape"):
        cut(fitted(1.0, 2.0), [" a", " b"], [0.5, 0.5])


def reading(logprobs, margins=(0.5, 0.25, 0.5)):
    span = SpanText()
    for token, margin in zip((" a", " b", " c"), margins, strict=True):
        span.add(token.encode(), margin)
    return span, Score((" a", " b", " c"), logprobs)


def test_a_word_is_labelled_by_whether_another_member_finds_the_next_one_likelier():
    one = reading((-1.0, -1.0, -1.0), (0.9, 0.8, 0.7))
    other = reading((-2.0, -1.1, -0.2), (0.3, 0.2, 0.1))
    found = list(_examples(LearnedBoundary(), [one, other]))
    assert [label for _, label in found] == [False, True]  # -0.2 is twice as likely as -1
    assert [inputs[0] for inputs, _ in found] == [0.8, 0.7]  # of the one that is best so far
    assert [inputs[1] for inputs, _ in found] == [0.0, math.log(2)]


def data(tmp_path, rows):
    path = tmp_path / "rows.jsonl"
    lines = [{"id": str(n), "query": q, "reference": a} for n, (q, a) in enumerate(rows)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def recipe(tmp_path):
    if not (ZOO / "models" / "text" / "model.safetensors").is_file():
        pytest.skip("the zoo has no model text")
    path = tmp_path / "fuse.ens"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def test_fit_finds_where_another_member_takes_over_and_runs_use_it(tmp_path, recipe):
    with pytest.raises(Mistakes, match=r"`learned_boundary` in .* is not fitted yet"):
        composer.load(recipe).ready()
    question, answer = "Sort the words pear, fig, lemon.", "fig, lemon, pear"
    rows = [(question, f"{answer} {n} 30 40") for n in range(20, 28)]
    done = fit(FitSettings(composer.load(recipe), data(tmp_path, rows)))
    (entry,) = done.manifest.entries
    assert entry.report["words"] == 40
    assert 0.1 < entry.report["changes"] < 0.5  # the text expert gives over to the other one
    with composer.load(recipe).ready() as ensemble:
        assert ensemble("Add 17 and 25.").answer


def test_references_of_one_word_teach_nothing(tmp_path, recipe):
    rows = data(tmp_path, [("Add 1 and 2.", "3")])
    with pytest.raises(Mistakes, match="not have enough words") as error:
        fit(FitSettings(composer.load(recipe), rows))
    assert error.value.diagnostics[0].code == "E509"


def test_the_coefficients_are_one_for_each_feature():
    assert len(FEATURES) + 1 == len(fitted(*range(7)).coefficients)

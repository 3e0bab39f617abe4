"""Options of one query and its events with models that run here."""

import time

import pytest

from composer.recipe import Recipe
from composer.run.events import CallBegan, CallEnded, CallText, CallToken
from composer.values.details import TokenDetail
from composer.values.options import AnswerOptions

pytestmark = pytest.mark.slow

ZOO = 'use "zoo.ens" (maths, text, general, other)\n'

ASKED = "What is 17 plus 25?"


@pytest.mark.parametrize("shape", ["{}", "[{}] -> vote()", "cascade({}, other{})"])
@pytest.mark.parametrize(
    ("written", "options"),
    [
        ("temperature = 0.8, top_k = 5", {"temperature": 0.8, "top_k": 5}),
        ("max_tokens = 3", {"max_tokens": 3}),
        ("repetition_penalty = 1.4", {"repetition_penalty": 1.4}),
        ('stop = ["2"], min_tokens = 2', {"stop": ("2",), "min_tokens": 2}),
        ('logit_bias = [["4", -50]]', {"logit_bias": (("4", -50.0),)}),
        ("min_tokens = 12, max_tokens = 12", {"ignore_end": True, "max_tokens": 12}),
    ],
)
@pytest.mark.parametrize("fuse", ["token_fuse(maths, text)", "span_fuse(maths, general)"])
def test_options_of_a_query_are_as_if_the_recipe_said_them(shape, written, options, fuse):
    models = f"{ZOO}let fused = {fuse}\n"
    plain = models + shape.format("fused", "")
    said = models + shape.format(f"fused({written})", f"({written})")
    with Recipe.load(plain).ready() as ensemble, Recipe.load(said).ready() as other:
        assert ensemble(ASKED, options=AnswerOptions(**options)).answer == other(ASKED).answer


def test_an_answer_goes_on_from_a_prefix_with_the_tokens_that_would_follow():
    with Recipe.load(f"{ZOO}token_fuse(maths, text)\n").ready() as ensemble:
        whole = ensemble(ASKED).text.text
        rest = ensemble(ASKED, options=AnswerOptions(prefix=whole[:2])).text.text
    assert whole[:2] + rest == whole


def test_every_call_is_told_also_those_that_score():
    events = []
    recipe = f"{ZOO}route() -> [maths, text] -> cascade(general, accept = confidence >= 2)\n"
    with Recipe.load(recipe).ready() as ensemble:
        watch = TokenDetail(top=2)
        result = ensemble.start(ASKED, on_event=events.append, watch=watch).result()
    whats = [event.what for event in events if isinstance(event, CallBegan)]
    assert sorted(whats) == ["asked", "asked", "prompt read by", "prompt read by"]
    assert len([event for event in events if isinstance(event, CallEnded)]) == len(whats)
    told = "".join(event.text for event in events if isinstance(event, CallText))
    assert told.strip().endswith(result.answer)
    tokens = [event.token for event in events if isinstance(event, CallToken)]
    assert all(len(token.top) == 2 for token in tokens)


def test_a_cancelled_answer_frees_its_row_within_a_second():
    with Recipe.load(f"{ZOO}maths\n").ready() as ensemble:
        ensemble(ASKED)
        begun = []
        options = AnswerOptions(ignore_end=True, max_tokens=400)
        future = ensemble.start("Why?", options=options, on_text=begun.append)
        while not begun:
            time.sleep(0.01)
        future.cancel()
        pieces, start = len(begun), time.perf_counter()
        assert str(ensemble(ASKED)) == "42"
        assert time.perf_counter() - start < 1
        assert len(begun) <= pieces + 3

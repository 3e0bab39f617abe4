"""Adapters of one base: the one that predicts the question best answers, or tokens weigh them."""

import math

import pytest
from fusing import Job, Part, TokenFuse

from composer.backends.zoo import Zoo
from composer.engine.engine import Engine
from composer.recipe import Recipe
from composer.specs import Declared
from composer.values import Query, Sampling, ScoreTexts

QUESTIONS = ("What is 17 plus 25?", "Reverse the word star.", "Put walk in the past tense.")
ADAPTERS = tuple(
    Declared(name, Zoo(model="general-1", adapter=name)) for name in ("maths-lora", "text-lora")
)


@pytest.fixture(scope="module")
def engine():
    with Engine() as opened:
        yield opened


def answers(**settings):
    recipe = Recipe.load("build/moerge", settings)
    with recipe.ready(cache=False) as ensemble:
        return [ensemble(question).answer for question in QUESTIONS]


def written(engine, model, question):
    job = Job(model, [(("user", question),)], Sampling(max_tokens=48))
    return engine.generate(job).result().text.strip()


def loss(engine, model, question):
    """Nats per token of a question, as a model predicts it."""
    logprobs = engine.perplexity(ScoreTexts(model, Query.of(question), None)).result().logprobs
    return -math.fsum(logprobs) / len(logprobs)


def test_the_adapter_that_predicts_the_question_best_answers(engine):
    chosen = [min(ADAPTERS, key=lambda each: loss(engine, each, q)) for q in QUESTIONS]
    assert {model.name for model in chosen} == {"maths-lora", "text-lora"}
    expected = [written(engine, *pair) for pair in zip(chosen, QUESTIONS, strict=True)]
    assert answers() == expected


def test_tokens_weigh_the_adapters_by_their_entropy(engine):
    fuse = TokenFuse(ADAPTERS, ("a", "b"), weigh=Part("weigh.entropy", {"power": 2.0}))
    expected = [written(engine, fuse, question) for question in QUESTIONS]
    assert answers(temperature="1000", power="2") == expected

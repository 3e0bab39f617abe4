import asyncio
import math
import random

import pytest

from composer.backends.fake import Fake
from composer.methods import Choice, Length, PartError, Perplexity, Random, Uniform
from composer.specs import Declared
from composer.values import Query

A, B = (Choice(name, model=Declared(name, Fake())) for name in "AB")
QUERY = Query.of("Hello")


def estimate(estimator, ask, query=QUERY, choices=(A, B)):
    return asyncio.run(estimator.estimate(query, choices, ask))


def test_uniform_prefers_nobody(script):
    assert estimate(Uniform(), script()).quality == (0.5, 0.5)


def test_random_draws_from_the_steps_randomness(script):
    rng = random.Random(7)
    assert estimate(Random(), script()).quality == (rng.random(), rng.random())


def test_perplexity_is_minus_the_mean_nats(script, logs):
    ask = script(scores={("A", "Hello"): logs(0.5, 0.125), ("B", "Hello"): logs(0.5)})
    found = estimate(Perplexity(), ask)
    assert found.quality == pytest.approx((-2 * math.log(2), -math.log(2)))
    assert found.because == "perplexity of the prompt: A 4, B 2"


def test_perplexity_needs_models(script):
    with pytest.raises(PartError, match="`C` is not one"):
        estimate(Perplexity(), script(), choices=(A, Choice("C")))


@pytest.mark.parametrize(("size", "better"), [(10, 0), (99, 0), (101, 1), (5000, 1)])
def test_length_changes_sides_at_the_threshold(script, size, better):
    found = estimate(Length(threshold=100), script(), Query.of("x" * size)).quality
    assert found.index(max(found)) == better


def test_length_is_indifferent_at_the_threshold(script):
    first, second = estimate(Length(threshold=100), script(), Query.of("x" * 100)).quality
    assert first == pytest.approx(second)


def test_length_looks_at_the_question_not_the_prompt_around_it(script):
    prompted = QUERY.asking("x" * 5000, QUERY)
    assert estimate(Length(), script(), prompted).because == "the prompt has 5 characters"


def test_a_choice_is_known_by_all_its_names():
    assert Choice("A", ("gpt-4", "g")).known_as == ("A", "gpt-4", "g")

"""Particles over languages of a few strings, whose sums are known."""

import math
import random
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.engine.sessions.prefixes.byte_steps import ByteStep
from composer.engine.sessions.prefixes.particles import (
    ParticleFilter,
    effective_size,
    normalized,
    resampled,
)
from composer.engine.sessions.prefixes.view import END
from composer.methods.strings import Mean, Minimum, Product
from composer.values import ModelError

FIRST = {b"aa": 0.4, b"ab": 0.1, b"b": 0.3, b"": 0.2}
SECOND = {b"aa": 0.1, b"ab": 0.2, b"b": 0.05, b"ba": 0.65}


@dataclass(eq=False)
class At:
    """A text under all languages."""

    text: bytes
    value: float
    following: np.ndarray


class Languages:
    """Texts under some languages, each of which is a table of strings."""

    def __init__(self, mean, *languages):
        self.mean, self.languages = mean, languages
        self.weights = [1 / len(languages)] * len(languages)

    async def start(self):
        return self.at(b"", 0.0)

    async def extended(self, moves):
        return [self.at(at.text + bytes([byte]), float(at.following[byte])) for at, byte in moves]

    def retain(self, texts):
        pass

    def at(self, text, value):
        table = np.zeros((len(self.languages), END + 1))
        for row, language in zip(table, self.languages, strict=True):
            for string, probability in language.items():
                if string.startswith(text):
                    row[string[len(text)] if len(string) > len(text) else END] += probability
        with np.errstate(divide="ignore"):
            return At(text, value, self.mean.logs(np.log(table), self.weights))


def step_to(_place, logprobs, byte):
    return ByteStep(float(logprobs[byte]))


def drawn(session, languages, count, seed, threshold=0.9):
    """Run particles to their end."""
    rng = random.Random(seed)
    filter_ = ParticleFilter(languages, lambda _: None, rng, threshold, step_to)
    session(filter_.begin(count))
    while filter_.growing:
        session(filter_.step())
    return filter_


def shares(filter_):
    """The share of each string in the weights."""
    total = Counter()
    weights = normalized([each.weight for each in filter_.particles])
    for particle, share in zip(filter_.particles, weights, strict=True):
        total[particle.text] += share
    return total


def test_the_product_of_whole_strings_is_another_one_than_that_of_bytes(session):
    languages = Languages(Product(), FIRST, SECOND)
    made = shares(drawn(session, languages, 4000, 1))
    for text, value in {b"aa": 0.04, b"ab": 0.02, b"b": 0.015}.items():
        assert made[text] == pytest.approx(value / 0.075, abs=0.03)
    # without weights: `a` is .5 * .3 and `b` .3 * .7, so most texts begin with what ends badly
    bytewise = Counter(drawn(session, languages, 1, seed).particles[0].text for seed in range(1000))
    assert bytewise[b"b"] / 1000 == pytest.approx(0.21 / 0.36, abs=0.06)


@pytest.mark.parametrize(("threshold", "count"), [(0.0, 3), (1.0, 3), (0.9, 10)])
@pytest.mark.parametrize(("mean", "total"), [(Product(), 0.075), (Minimum(), 0.25)])
def test_the_estimated_sum_over_all_strings_is_not_biased(session, mean, total, threshold, count):
    languages = Languages(mean, FIRST, SECOND)
    found = [
        math.exp(drawn(session, languages, count, seed, threshold).log_normalizer)
        for seed in range(300)
    ]
    error = np.std(found) / math.sqrt(len(found))
    assert abs(np.mean(found) - total) < 4 * error + 1e-12


@pytest.mark.parametrize("languages", [(FIRST,), (FIRST, FIRST)])
def test_members_that_agree_need_no_weights(session, languages):
    made = drawn(session, Languages(Minimum(), *languages), 20, 3)
    assert [each.weight for each in made.particles] == pytest.approx([0.0] * 20)
    assert made.resamplings == 0


def test_a_mean_of_probabilities_needs_no_weights_and_is_a_mixture_of_strings(session):
    made = drawn(session, Languages(Mean(), FIRST, SECOND), 4000, 4)
    assert max(abs(each.weight) for each in made.particles) < 1e-9
    counts = Counter(each.text for each in made.particles)
    mixed = {text: (FIRST.get(text, 0) + SECOND.get(text, 0)) / 2 for text in (*FIRST, b"ba")}
    statistic = sum((counts[t] - 4000 * p) ** 2 / (4000 * p) for t, p in mixed.items())
    assert statistic < 18.5  # 0.999 of chi-square with 4 degrees of freedom


def test_the_log_probabilities_are_those_of_what_was_drawn(session):
    made = drawn(session, Languages(Mean(), FIRST), 50, 5)
    for particle in made.particles:
        assert math.exp(sum(step.logprob for step in particle.steps)) == pytest.approx(
            FIRST[particle.text]
        )
        assert len(particle.steps) == len(particle.text) + 1


def test_without_a_common_string_there_is_an_error(session):
    with pytest.raises(ModelError, match="under all members") as error:
        drawn(session, Languages(Product(), {b"a": 1.0}, {b"b": 1.0}), 4, 0)
    assert error.value.code == "E705"


def test_particles_that_cannot_go_on_are_replaced_by_others(session):
    languages = Languages(Product(), {b"ax": 0.9, b"b": 0.1}, {b"ay": 0.9, b"b": 0.1})
    made = shares(drawn(session, languages, 300, 6, threshold=0.0))
    assert made == {b"b": pytest.approx(1.0)}


def test_the_effective_number_by_hand():
    assert effective_size([math.log(0.5), math.log(0.25), math.log(0.25)]) == pytest.approx(8 / 3)
    assert effective_size([-1000.0, -1000.0]) == pytest.approx(2.0)
    assert effective_size([0.0, -math.inf]) == pytest.approx(1.0)


@given(st.lists(st.floats(0.001, 1.0), min_size=1, max_size=30), st.floats(0, 0.999))
def test_a_place_is_drawn_as_often_as_its_share_says_up_to_one(weights, uniform):
    own = [weight / math.fsum(weights) for weight in weights]
    counts = Counter(resampled(own, uniform))
    assert sum(counts.values()) == len(own)
    for n, share in enumerate(own):
        wanted = share * len(own)
        assert math.floor(wanted - 1e-6) <= counts[n] <= math.ceil(wanted + 1e-6)

"""The fake model is a pure function of its prompt, and of the seed when it draws."""

import asyncio
import math

import pytest
from fusing import drawn, opened

from composer.backends import BACKENDS, Capability, ModelError
from composer.values import Query, Sampling
from composer.values.details import TokenDetail

fake = BACKENDS["fake"]


def ask(declared, text="What is it?", **sampling):
    return asyncio.run(drawn(opened(declared), Query.of(text), Sampling(**sampling)))


def test_greedy_answers_repeat():
    assert ask(fake()) == ask(fake())


def test_greedy_answers_do_not_look_at_the_seed():
    assert ask(fake(), seed=1) == ask(fake(), seed=2)


def test_draws_follow_the_seed():
    draws = {ask(fake(), temperature=1.0, seed=seed)[0].text for seed in range(5)}

    assert len(draws) == 5


def test_two_fakes_differ_by_their_seed():
    assert ask(fake(seed=1))[0].text != ask(fake(seed=2))[0].text


def test_echo_repeats_the_question():
    assert ask(fake(style="echo"), "Say this")[0].text == "Say this"


def test_one_answer_is_always_given():
    assert ask(fake(says="42"), temperature=1.0, seed=9)[0].text == "42"


def test_several_answers_are_drawn_from():
    declared = fake(among=["a", "b", "c"])

    assert ask(declared)[0].text == "a"
    drawn = {ask(declared, temperature=1.0, seed=seed)[0].text for seed in range(40)}
    assert drawn == {"a", "b", "c"}


def test_pairs_answer_by_a_piece_of_the_question():
    declared = fake(knows=[["France", "Paris"], ["Italy", "Rome"]], says="?")

    assert ask(declared, "Capital of Italy?")[0].text == "Rome"
    assert ask(declared, "Capital of Peru?")[0].text == "?"


def test_confidence_is_that_of_every_token():
    text, _ = ask(fake(says="a b c", confidence=0.5))

    assert text.tokens == ("a", " b", " c")
    assert text.logprobs == (math.log(0.5),) * 3
    assert text.confidence == 0.5


def test_log_probabilities_are_an_ability_only_with_a_confidence():
    assert Capability.LOGPROBS in fake(confidence=0.9).card().capabilities
    assert fake().card().why[Capability.LOGPROBS] == "it is a fake model"


def test_tokens_are_words_and_priced():
    _, usage = ask(fake(says="a b c", price=(1, 10)), "one two")

    assert (usage.calls, usage.prompt_tokens, usage.completion_tokens) == (1, 2, 3)
    assert usage.cost == pytest.approx(32e-6)


def test_length_is_limited():
    assert ask(fake(says="a b c"), max_tokens=2)[0].text == "a b"


def test_failing_is_an_error_of_the_run():
    with pytest.raises(ModelError, match="`A` failed") as caught:
        ask(fake(fails=True))

    assert caught.value.code == "E701"


def test_it_has_no_ids_to_choose():
    assert fake().missing_detail(TokenDetail(top=3)) == ""
    assert fake().missing_detail(TokenDetail(ids=(1,))) == "has no token ids"

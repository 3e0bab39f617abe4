import asyncio
import math
from dataclasses import replace

import pytest

from composer.backends.fake import Fake
from composer.methods import (
    Confident,
    Consensus,
    Likelihood,
    Longest,
    PartError,
    Scorer,
    Shortest,
)
from composer.methods.scorers.basic import Length, Sum
from composer.specs import Declared
from composer.values import Candidates, Query, Text

QUERY = Query.of("Which?")
J, K = Declared("J", Fake()), Declared("K", Fake())


def score(scorer: Scorer, answers, ask=None, judges=()):
    return asyncio.run(scorer.score(answers, ask, judges))


def test_confident_is_the_mean_log_probability():
    texts = (Text(QUERY, "a", logprobs=(-1.0, -3.0)), Text(QUERY, "b", logprobs=(-1.5,)))
    assert score(Confident(), Candidates(QUERY, texts)) == (-2.0, -1.5)


def test_confident_falls_back_on_the_confidence():
    texts = (Text(QUERY, "a", confidence=0.5), Text(QUERY, "b", confidence=0.0))
    assert score(Confident(), Candidates(QUERY, texts)) == (math.log(0.5), -math.inf)


def test_confident_names_who_gave_no_probabilities(several):
    with pytest.raises(PartError, match="`A`") as caught:
        score(Confident(), several("x"))
    assert "judge()" in caught.value.help


def test_likely_sums_the_judges_means(several, script, logs):
    scores = {
        ("J", "x"): logs(0.5, 0.5),
        ("J", "y"): logs(0.25),
        ("K", "x"): logs(0.5),
        ("K", "y"): logs(0.125),
    }
    found = score(Likelihood(), several("x", "y"), script(scores=scores), (J, K))
    assert found == pytest.approx((2 * math.log(0.5), math.log(0.25) + math.log(0.125)))


def test_a_sum_weighs_its_scores_and_gives_judges_only_to_those_that_ask(several, script, logs):
    ask = script(scores={("J", "x"): logs(0.5), ("J", "yyyy"): logs(0.25)})
    total = Sum(of=(Likelihood(), Length()), weights=(1.0, -0.5))
    found = score(total, several("x", "yyyy"), ask, (J,))
    assert found == pytest.approx((math.log(0.5) - 0.5, math.log(0.25) - 2))
    assert (total.of_judges, total.asker) == (frozenset({"score"}), "likely")


def test_a_sum_of_scores_that_ask_nobody_takes_no_judges(several):
    total = Sum(of=(Confident(), Longest()), weights=(0.0, 2.0))
    assert total.of_judges is None
    assert total.of_writers == {"logprobs"}
    assert score(Sum(of=(Length(),), weights=(2.0,)), several("x", "yy")) == (2.0, 4.0)


def test_likely_may_count_by_bytes_or_answers(several, script, logs):
    ask = script(scores={("J", "\u00e4b"): logs(0.5, 0.5)})
    total = 2 * math.log(0.5)
    assert score(Likelihood(per="byte"), several("\u00e4b"), ask, (J,)) == (
        pytest.approx(total / 3),
    )
    assert score(Likelihood(per="answer"), several("\u00e4b"), ask, (J,)) == (pytest.approx(total),)


def test_likely_without_a_judge_is_an_error(several, script):
    with pytest.raises(PartError) as caught:
        score(Likelihood(), several("x"), script())
    assert caught.value.help == "name the model: `rank(M, by = likely())`"


def test_consensus_is_the_mean_agreement_with_the_others(several, script):
    found = score(Consensus(), several("a b", "a b", "a c"), script())
    assert found == pytest.approx((0.75, 0.75, 0.5))


def test_consensus_overlooks_those_that_abstain(several, script):
    answers = several("a b", "a b", "zzz")
    third = replace(answers.texts[2], extracted=True)
    found = score(Consensus(), replace(answers, texts=(*answers.texts[:2], third)), script())
    assert found == (1.0, 1.0, 0.0)


def test_length_orders_both_ways(several):
    assert score(Shortest(), several("a", "abc")) == (-1.0, -3.0)
    assert score(Longest(), several("a", "abc")) == (1.0, 3.0)

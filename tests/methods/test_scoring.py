import asyncio
import math
from dataclasses import replace

import pytest

from composer.backends.fake import Fake
from composer.methods import (
    Confident,
    Consensus,
    Judge,
    Likelihood,
    Longest,
    PartError,
    Scorer,
    Shortest,
    Template,
)
from composer.methods.scoring import Length, Sum
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


def longer_is_better(_model, prompt):
    first, second = (part.split("\n[End")[0] for part in prompt.split("]\n")[2:5:2])
    if len(first) == len(second):
        return "Equal. [[C]]"
    return "[[A]]" if len(first) > len(second) else "Not [[A]], but [[b]]"


def test_a_judge_compares_every_pair_in_both_orders(several, script):
    ask = script(longer_is_better)
    found = score(Judge(), several("x", "xxx", "xx"), ask, (J,))
    assert found == (0.0, 1.0, 0.5)
    assert len(ask.asked) == 6


def test_a_tie_is_half_a_win(several, script):
    assert score(Judge(), several("x", "y"), script(longer_is_better), (J,)) == (0.5, 0.5)


def test_a_judge_that_likes_the_first_answer_decides_nothing(several, script):
    ask = script(lambda _model, _prompt: "[[A]]")
    assert score(Judge(), several("x", "yy", "zzz"), ask, (J,)) == (0.5, 0.5, 0.5)


def test_two_judges_count_the_same(several, script):
    ask = script(lambda model, prompt: longer_is_better(model, prompt) if model == "J" else "[[C]]")
    assert score(Judge(), several("x", "xxx"), ask, (J, K)) == (0.25, 0.75)


def test_a_single_answer_needs_no_judge(several, script):
    ask = script(longer_is_better)
    assert score(Judge(), several("x"), ask, (J,)) == (0.5,)
    assert ask.asked == []


def test_grades_are_averaged_over_the_judges(several, script):
    ask = script(
        lambda model, prompt: f"[[{8 if 'good' in prompt else 2}]]" if model == "J" else "[[4]]"
    )
    assert score(Judge(how="grade"), several("good", "poor"), ask, (J, K)) == (6.0, 3.0)


def test_a_verdict_that_cannot_be_read_is_noted(several, script):
    ask = script(lambda _model, prompt: "[[9]]" if "good" in prompt else "I cannot say")
    assert score(Judge(how="grade"), several("good", "poor"), ask, (J,)) == (9.0, 0.0)
    assert ask.notes == {"unread_verdicts": 1}


def test_a_judge_that_gives_no_verdict_is_an_error(several, script):
    with pytest.raises(PartError, match="no verdict could be read from the replies of `J`"):
        score(Judge(), several("x", "y"), script(), (J,))


def test_a_judge_may_have_its_own_template(several, script):
    ask = script(lambda _model, prompt: f"[[{prompt}]]")
    judge = Judge(how="grade", template=Template(text="{{ answer }}"))
    assert score(judge, several("3", "7"), ask, (J,)) == (3.0, 7.0)


def test_a_judge_is_asked_greedily_about_the_question(several, script):
    ask = script(longer_is_better)
    score(Judge(max_tokens=9), several("x", "yy"), ask, (J,))
    _, query, sampling = ask.asked[0]
    assert "Which?" in query.text
    assert query.root.text == "Which?"
    assert (sampling.temperature, sampling.max_tokens) == (0.0, 9)

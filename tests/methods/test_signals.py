import math

import pytest

from composer.methods import find_part, parts
from composer.values import Candidates, Port, Query, Text

QUERY = Query.of("q")
TALLY = Text(QUERY, "7", tally={"7": 0.5, "8": 0.3, "9": 0.2})


SIGNALS = parts()["signal"]


def measure(name, answer):
    return find_part("signal", name)().measure(answer)


def many(*answers):
    texts = (Text(QUERY, a or "", value=a, extracted=True) for a in answers)
    return Candidates(QUERY, tuple(texts))


def test_confidence_is_the_texts_own():
    assert measure("confidence", Text(QUERY, "a", confidence=0.25)) == 0.25


def test_agreement_is_the_winners_share():
    assert measure("agreement", TALLY) == 0.5


def test_agreement_of_candidates_counts_the_commonest():
    assert measure("agreement", many("1", "1", "2", None)) == pytest.approx(2 / 3)


def test_nobody_agrees_where_all_abstain():
    assert measure("agreement", many(None, None)) == 0.0


def test_without_a_vote_there_is_no_agreement():
    assert measure("agreement", Text(QUERY, "7")) is None
    assert measure("margin", Text(QUERY, "7")) is None
    assert measure("entropy", Text(QUERY, "7")) is None


def test_the_margin_is_between_the_first_two():
    assert measure("margin", TALLY) == pytest.approx(0.2)
    assert measure("margin", many("1", "1")) == 1.0


def test_the_entropy_is_in_nats():
    assert measure("entropy", many("1", "2")) == pytest.approx(math.log(2))
    assert measure("entropy", many("1", "1")) == 0.0


def test_length_counts_characters():
    assert measure("length", Text(QUERY, "abcde")) == 5.0


def test_logprobs_are_averaged_and_searched_for_the_least():
    text = Text(QUERY, "ab", logprobs=(-1.0, -3.0))
    assert measure("mean_logprob", text) == -2.0
    assert measure("min_logprob", text) == -3.0
    assert measure("min_logprob", Text(QUERY, "ab")) is None


def test_answered_is_the_share_that_does_not_abstain():
    assert measure("answered", Text(QUERY, "x", extracted=True)) == 0.0
    assert measure("answered", Text(QUERY, "x")) == 1.0
    assert measure("answered", many("1", None)) == 0.5


def test_the_table_says_what_a_signal_needs():
    assert SIGNALS["confidence"].needs == {"logprobs"}
    assert SIGNALS["confidence"].ports == {Port.TEXT}
    assert SIGNALS["agreement"].votes
    assert not SIGNALS["agreement"].needs


@pytest.mark.parametrize("name", SIGNALS)
def test_every_signal_has_a_sentence(name):
    assert SIGNALS[name].summary().endswith((".", ")"))


def test_a_score_is_that_of_the_ranking():
    from types import MappingProxyType

    assert measure("score", Text(QUERY, "a", facts=MappingProxyType({"score": 0.7}))) == 0.7
    assert measure("score", Text(QUERY, "a")) is None

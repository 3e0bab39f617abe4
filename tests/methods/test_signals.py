import math

import pytest

from composer.methods import find_part, parts
from composer.values import Candidates, Port, Query, Text
from composer.values.details import LikelyToken, TokenChoice

QUERY = Query.of("q")
TALLY = Text(QUERY, "7", tally={"7": 0.5, "8": 0.3, "9": 0.2})


SIGNALS = parts()["signal"]


def measure(name, answer, **options):
    return find_part("signal", name)(**options).measure(answer)


def written(*places):
    """An answer whose places have these probabilities, of which the first was chosen."""
    choices = tuple(
        TokenChoice(likely(place[0]), tuple(likely(each) for each in place)) for place in places
    )
    return Text(QUERY, "ab", logprobs=tuple(c.chosen.logprob for c in choices), choices=choices)


def likely(probability):
    return LikelyToken(b"a", math.log(probability) if probability else -math.inf)


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


def test_logprobs_are_summed_and_have_quantiles():
    text = Text(QUERY, "abc", logprobs=(-1.0, -3.0, -2.0))
    assert measure("sum_logprob", text) == -6.0
    assert measure("quantile", text, at=0.0) == -3.0
    assert measure("quantile", text, at=0.25) == -2.5
    assert measure("quantile", text, at=1.0) == -1.0


LOGS = ("mean_logprob", "min_logprob", "sum_logprob", "quantile", "probability")


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("bad", [-math.inf, math.inf, math.nan])
def test_a_logprob_that_is_no_number_makes_all_unknown(name, bad):
    assert measure(name, Text(QUERY, "ab", logprobs=(-1.0, bad))) is None
    assert measure(name, Text(QUERY, "ab")) is None


OF_TOKENS = [
    ("probability", 0.8, 0.9, 0.7),
    ("token_margin", 0.65, 0.85, 0.45),
    ("uniform_distance", (math.sqrt(0.8125) + math.sqrt(0.5525)) / 2, 0.9013878, 0.7433034),
    ("token_entropy", 0.5702152, 0.3943977, 0.7460327),
]


@pytest.mark.parametrize(("name", "mean", "first", "least"), OF_TOKENS)
def test_of_tokens_the_mean_the_first_or_the_least_sure_counts(name, mean, first, least):
    text = written((0.9, 0.05), (0.7, 0.25))
    values = [measure(name, text, of=of) for of in ("mean", "first", "least")]
    assert values == pytest.approx([mean, first, least], abs=1e-6)


def test_the_distance_to_a_uniform_choice_of_labels_is_0_where_all_are_as_likely():
    assert measure("uniform_distance", written((0.25,) * 4), outcomes=4) == 0.0
    assert measure("uniform_distance", written((1.0, 0, 0, 0)), outcomes=4) == pytest.approx(
        math.sqrt(0.75)
    )


def test_impossible_tokens_count_as_such_and_tokens_without_a_number_make_all_unknown():
    assert measure("token_margin", written((1.0, 0))) == 1.0
    unknown = TokenChoice(LikelyToken(b"a", -0.1), (LikelyToken(b"a", math.nan),) * 2)
    for name, *_ in OF_TOKENS:
        assert measure(name, Text(QUERY, "a", choices=(unknown,))) is None


def test_a_margin_needs_two_tokens_and_the_probability_any():
    alone = Text(QUERY, "ab", logprobs=(math.log(0.5), math.log(0.25)))
    assert measure("token_margin", alone) is None
    assert measure("probability", alone) == pytest.approx(0.375)
    assert measure("probability", alone, of="least") == pytest.approx(0.25)
    assert measure("probability", Text(QUERY, "a", confidence=0.3)) == 0.3

"""A score that is NaN or infinite is no score: it wins nothing, anywhere."""

import json
import math

import pytest
from answer_tables import shares as votes

import composer
from composer.backends.fake import FakeClient
from composer.methods import Count, Exact, Medoid
from composer.run import Failure
from composer.values import Rewarded, Score
from composer.values.finite import finite, summed

MODELS = """
model A = fake(says = "a", confidence = 0.9)
model B = fake(says = "bb", confidence = 0.5)
model C = fake(says = "ccc", confidence = 0.7)
model J = fake(says = "[[A]]")
model broken = fake(fails = true)
model hurt = fake(fails = true)
"""
NONE = [math.nan, math.inf, -math.inf]


@pytest.fixture
def scored(monkeypatch):
    """Let the scorer `longest` give these scores, by answer."""

    def give(**scores):
        from composer.methods import Longest

        async def score(self, answers, ask, judges):
            return tuple(scores[text.text] for text in answers.texts)

        monkeypatch.setattr(Longest, "score", score)

    return give


@pytest.fixture
def answer(ready):
    return lambda text: ready(text, models=MODELS)("Why?")


def code_of(answer, text):
    with pytest.raises(Failure) as caught:
        answer(text)
    return caught.value.code


@pytest.mark.parametrize("none", NONE)
@pytest.mark.parametrize("at", "ab")
def test_a_ranking_puts_what_has_no_score_last(scored, answer, none, at):
    scores = {"a": 1.0, "bb": 2.0, "ccc": 3.0}
    scored(**scores | {"ccc": none, "bb" if at == "b" else "a": 2.5})
    result = answer("[C, A, B] -> rank(by = longest()) -> best()")
    assert result.answer == max(
        "a", "bb", key=({"a": 1.0, "bb": 2.0} | {"bb" if at == "b" else "a": 2.5}).get
    )
    (event,) = (each for each in result.trace.events if each.op == "rank")
    assert event.notes["unscored"] == ["C"]
    assert json.dumps(result.trace.as_dict(), allow_nan=False)


def test_a_ranking_without_any_score_is_an_error(scored, answer):
    scored(a=math.nan, bb=math.inf, ccc=-math.inf)
    assert code_of(answer, "[A, B, C] -> rank(by = longest()) -> best()") == "E704"


@pytest.mark.parametrize("none", [math.nan, math.inf])
def test_a_confidence_that_is_no_number_is_not_known(answer, monkeypatch, none):
    from dataclasses import replace

    made = FakeClient._draw

    def draw(self, request, seed):
        said = made(self, request, seed)
        return replace(said, confidence=none, logprobs=(none,)) if self.name == "A" else said

    monkeypatch.setattr(FakeClient, "_draw", draw)
    assert answer("cascade(A, C)").answer == "ccc"
    assert answer("cascade(A, C, accept = not (confidence < 0.6))").answer == "ccc"
    assert answer("[A, C] -> vote(ties = confident())").answer == "ccc"
    result = answer("A")
    assert json.dumps(result.as_dict(), allow_nan=False)
    assert result.confidence is None


@pytest.mark.parametrize("none", NONE)
def test_a_signal_that_is_no_number_is_not_known(answer, monkeypatch, none):
    from composer.methods import Confidence

    monkeypatch.setattr(Confidence, "measure", lambda *_: none)
    for rule in [
        "confidence >= 0.6",
        "not (confidence < 0.6)",
        "confidence != 0",
        "confidence < 1",
    ]:
        assert answer(f"cascade(A, B, accept = {rule})").answer == "bb"


def test_arithmetic_of_a_rule_that_gives_no_number_is_not_known(answer):
    rule = "1e308 * length * 99 - 1e308 * length * 99 >= 0 or length > 99"
    assert answer(f"cascade(A, B, accept = {rule})").answer == "bb"


@pytest.mark.parametrize("none", NONE)
def test_a_route_refuses_an_estimate_that_is_no_number(answer, monkeypatch, none):
    from composer.methods import Length
    from composer.methods.estimators.values import Estimates

    async def estimate(self, query, choices, ask):
        return Estimates((none,) + (0.5,) * (len(choices) - 1))

    monkeypatch.setattr(Length, "estimate", estimate)
    with pytest.raises(Failure) as caught:
        answer("route(by = length()) -> [A, B]")
    assert caught.value.code == "E704"
    assert "`A`" in caught.value.message
    assert answer("(route(by = length()) -> [A, B]) | C").answer == "ccc"


@pytest.mark.parametrize("none", NONE)
def test_an_agreement_that_is_no_number_is_none(none):
    class Odd(Exact):
        def key(self, _):
            return None

        def same(self, left, right):
            return none if "x" in (left, right) else float(left == right)

    texts = ["x", "a", "a"]
    assert votes(Medoid(), texts, by=Odd()).shares == (0, 0.5, 0.5)
    assert votes(Count(), texts, by=Odd()).leaders() == ((1, 2),)


def test_a_vote_leaves_out_a_weight_that_is_no_number(answer, monkeypatch):
    from composer.steps import counting

    odd = {"a": math.nan, "bb": 1.0, "ccc": math.inf}
    monkeypatch.setattr(counting, "_routed", lambda text: odd[text.text])
    text = "route(by = uniform(), policy = several(k = 3)) -> [A, B, C] -> vote(routed = true)"
    assert answer(text).answer == "bb"


def test_sums_without_a_value_are_no_numbers():
    assert math.isnan(summed([math.inf, -math.inf]))
    assert math.isnan(summed([1e308] * 20))
    assert summed([0.1] * 10) == 1.0
    assert (finite(math.nan), finite(None), finite(2.0)) == (None, None, 2.0)


def test_a_score_may_be_impossible_and_never_ends_in_an_exception():
    assert Score(("a", "b"), (-math.inf, -1.0)).perplexity == math.inf
    assert Score(("a",), (-5000.0,)).perplexity == math.inf
    assert math.isnan(Score(("a", "b"), (-math.inf, math.inf)).mean)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("[A, B] -> rank(J, hurt, J2, by = judge()) -> best()", "a"),
        ("[A, B] -> rank(hurt, J, J2, by = judge()) -> best()", "a"),
        ("[A, B] -> rank(G, hurt, G2, by = judge(how = grade)) -> best()", "a"),
        ("route(hurt, G, G2, by = asked(read = answer)) -> [A, B]", "a"),
    ],
)
def test_of_several_judges_those_that_answer_are_counted(ready, text, right):
    more = 'model J2 = fake(says = "[[C]]")\n'
    more += 'model G = fake(says = "[[5]]")\nmodel G2 = fake(says = "[[4]]")\n'
    result = ready(text, models=MODELS + more)("Why?")
    assert result.answer == right
    assert [each.branch for each in result.failed] == ["hurt"]


def test_too_few_judges_are_an_error(answer):
    assert code_of(answer, "[A, B] -> rank(J, broken, hurt, by = judge()) -> best()") == "E716"
    assert code_of(answer, "[A, B] -> rank(broken, by = judge()) -> best()") == "E701"


@pytest.mark.parametrize("none", NONE)
def test_a_reward_that_is_no_number_wins_no_search(none):
    from composer.values.finite import descending

    assert descending([none, 1.0, none, 2.0], "`R`") == [3, 1, 0, 2]
    assert Rewarded((none,)).values


def test_a_judge_without_grades_is_not_told_to_change_its_number_type():
    text = 'model A = zoo("general-1")\nmodel J = fake(says = "fine")\n'
    recipe = composer.load(text + "process_fuse(A, reward = judged(J), depth = 1)")
    with pytest.raises(Failure, match=r"a grade such as \[\[7\]\]") as caught:
        recipe("What is 17 plus 25?")
    assert "dtype" not in str(caught.value)

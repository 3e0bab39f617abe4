"""Members that draw in turn, and rankings in which each candidate counts by its score."""

import asyncio
import math
import random
from collections import Counter

import pytest

from composer.backends.fake import Fake
from composer.diagnostics import Mistakes
from composer.methods import Exact, PartError, Pattern
from composer.methods.scorers.basic import Rewarded, Scorer
from composer.recipe import Recipe
from composer.specs import Declared
from composer.steps.drawing import draw_best
from composer.steps.weighing import weighted
from composer.values import ModelError, Query, Ranking, Text

QUERY = Query.of("Why?")
A, B, C = (Declared(name, Fake()) for name in "ABC")


class Drawn:
    """Gives the next text of each member, and scores a text by its length over ten."""

    def __init__(self, seed=0, **texts):
        self.rng, self.texts = random.Random(seed), {n: iter(t) for n, t in texts.items()}
        self.asked, self.notes, self.seeds = [], {}, []

    async def generate(self, model, query, sampling):
        self.asked.append(model.name)
        self.seeds.append(sampling.seed)
        text = next(self.texts[model.name])
        if text is None:
            raise ModelError("E701", f"{model.name} is ill")
        return Text(query, text, model.name)

    async def reward(self, model, _query, texts):
        assert model.name == "R"
        return tuple(len(text) / 10 for text in texts)

    def note(self, **facts):
        self.notes |= facts


REWARD = Rewarded(model=Declared("R", Fake()))


def best_of(ask, *members, by=REWARD, **options):
    return asyncio.run(draw_best(QUERY, *members, by=by, ask=ask, **options))


def test_the_member_whose_draws_are_best_draws_more():
    ask = Drawn(A=["xx"] * 9, B=["xxxx", "xxxxx", "xxxxxx", "xxxxxxx", "xxxxxxxx"], C=["x"] * 9)
    assert best_of(ask, A, B, C, n=7).text == "xxxxxxxx"
    assert ask.notes["draws"] == {"A": 1, "B": 5, "C": 1}
    assert len(set(ask.seeds)) == 7


def test_agreement_decides_between_equal_rewards():
    texts = {"A": ["aaa", "zz"], "B": ["bbb", "z"], "C": ["aaa", "zzz"]}
    winners = {best_of(Drawn(seed, **texts), A, B, C, n=3).text for seed in range(6)}
    assert winners == {"aaa"}


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9])
def test_as_many_answers_are_drawn_as_wanted(n):
    firsts = Counter()
    for seed in range(12):
        ask = Drawn(seed, A=["a"] * 9, B=["b"] * 9, C=["c"] * 9)
        best_of(ask, A, B, C, n=n)
        assert len(ask.asked) == n
        firsts[ask.asked[0]] += 1
    assert n >= 3 or len(firsts) > 1


def test_a_member_that_fails_draws_no_more():
    ask = Drawn(A=[None, "never"], B=["b"] * 9)
    assert best_of(ask, A, B, n=4).text == "b"
    assert ask.asked == ["A", "B", "B", "B"]
    assert list(ask.notes["failed"]) == ["A"]
    with pytest.raises(ModelError, match="A is ill"):
        best_of(Drawn(A=[None]), A, n=3)


def test_what_cannot_be_read_is_not_kept():
    read = Pattern(regex="=(.*)")
    ask = Drawn(A=["=4", "no value at all", "=4"])
    answer = best_of(ask, A, n=3, read=read)
    assert (answer.value, answer.text) == ("4", "=4")
    with pytest.raises(PartError) as caught:
        best_of(Drawn(A=["no", "no"]), A, n=2, read=read)
    assert caught.value.code == "E705"


def test_scores_of_any_range_are_compared():
    class Minus(Scorer):
        name = "minus"

        async def score(self, answers, _ask, _judges):
            return tuple(-float(len(text.text)) for text in answers.texts)

    ask = Drawn(A=["xxxx"] * 9, B=["xx", "x", "xx", "xx"])
    assert best_of(ask, A, B, by=Minus(), n=5, agree=0.0).text == "x"
    assert ask.notes["draws"]["B"] == 4


def test_a_score_that_compares_is_refused():
    text = "model A = fake()\nmodel B = fake()\ndraw_best(A, B, by = consensus())"
    with pytest.raises(Mistakes, match="E403"):
        Recipe.load(text).check()


def ranking(*scored):
    texts = tuple(Text(QUERY, text, name) for name, text, _ in scored)
    return Ranking(QUERY, texts, tuple(s for *_, s in scored), tuple(n for n, *_ in scored))


def weigh(ask, *scored, **options):
    return asyncio.run(weighted(ranking(*scored), ask=ask, **options))


def test_each_candidate_counts_by_its_score(ask):
    scored = (("A", "x", 2.0), ("B", "y", 1.7), ("C", "Y ", 1.5))
    answer = weigh(ask, *scored)
    assert answer.text == "y"
    total = sum(math.exp(score) for *_, score in scored)
    assert answer.tally["x"] == pytest.approx(math.exp(2.0) / total)
    assert answer.facts["score"] == 1.7
    assert weigh(ask, *scored, temperature=0.1).text == "x"


def test_weights_may_be_shares_of_the_scores(ask):
    assert weigh(
        ask, ("A", "x", 3.0), ("B", "y", 2.0), ("C", "y", 2.0), weights="shares"
    ).tally == {
        "y": pytest.approx(4 / 7),
        "x": pytest.approx(3 / 7),
    }
    with pytest.raises(PartError, match="negative"):
        weigh(ask, ("A", "x", -1.0), weights="shares")


def test_a_candidate_may_be_drawn_by_its_weight(ask):
    scored = (("A", "x", math.log(3)), ("B", "y", 0.0))
    drawn = Counter(weigh(ask, *scored, sampled=True).text for _ in range(400))
    assert drawn["x"] / 400 == pytest.approx(0.75, abs=0.07)


def test_what_has_no_score_or_no_answer_does_not_count(ask):
    assert weigh(ask, ("A", "x", 0.0), ("B", "y", -math.inf), ("C", "y", math.nan)).text == "x"
    with pytest.raises(PartError) as caught:
        weigh(ask, ("A", "x", math.nan))
    assert caught.value.code == "E704"
    assert weigh(ask, ("A", "x", 5.0), by=Exact()).tally == {"x": 1.0}

"""Estimates by a model that is asked, by hand."""

import asyncio
import math

import pytest

from composer.backends.fake import Fake
from composer.methods import Asked, Choice, PartError
from composer.methods.estimators.asked import between, share_from
from composer.specs import Declared
from composer.values import Query, Score, Text

CHOICES = (Choice("A"), Choice("B"))
JUDGE = Declared("J", Fake(says="J"))


class Judge:
    """Scores the grade 4 three times as likely as 1, and the others not at all; or writes."""

    def __init__(self, reply=""):
        self.reply = reply
        self.asked = []

    def note(self, **notes):
        pass

    async def score(self, model, query, text):
        del model
        self.asked.append(query.text)
        odds = {"[[4]]": 0.75, "[[1]]": 0.25}.get(text, 1e-9)
        return Score((text,), (math.log(odds),))

    async def generate(self, model, query, sampling):
        self.asked.append((query.text, sampling.max_tokens))
        return Text(query, self.reply, model.name)


def consult(part, ask, judges=(JUDGE,)):
    return asyncio.run(part.consult(Query.of("Why?"), CHOICES, judges, ask))


def test_the_chance_is_the_share_of_good_grades():
    ask = Judge()
    found = consult(Asked(), ask)
    assert found.quality == pytest.approx((0.75, 0.25))
    assert "`J`" in found.because
    assert all("Question: Why?" in each for each in ask.asked)


def test_what_is_good_enough_can_be_set():
    assert consult(Asked(enough=5), Judge()).quality[0] == pytest.approx(0, abs=1e-6)
    assert consult(Asked(enough=1), Judge()).quality == pytest.approx((1, 0))


def test_a_written_grade_is_read():
    ask = Judge("It is hard. [[2]] or rather [[3]]")
    assert consult(Asked(read="answer"), ask).quality == (0.5, 0.5)
    assert ask.asked[0][1] == 16


def test_several_judges_count_the_same():
    two = (JUDGE, Declared("K", Fake(says="K")))
    assert consult(Asked(), Judge(), two).quality == pytest.approx((0.75, 0.25))


def test_a_grade_that_cannot_be_read_is_an_error():
    with pytest.raises(PartError, match="no grade could be read from the reply of `J`") as caught:
        consult(Asked(read="answer"), Judge("hard"))
    assert caught.value.code == "E701"


def test_there_must_be_a_judge():
    with pytest.raises(PartError, match="needs a model to ask"):
        asyncio.run(Asked().estimate(Query.of("Why?"), CHOICES, Judge()))


def test_what_a_judge_must_be_able_to_do():
    assert Asked().asking == {"score"}
    assert Asked(read="answer").asking == {"text"}


def test_shares_of_log_probabilities():
    logs = [math.log(p) - 900 for p in (0.1, 0.2, 0.3, 0.3, 0.1)]
    assert share_from(logs, 4) == pytest.approx(0.4)


def test_choices_between_are_spread_evenly():
    assert between(0.8, 2) == pytest.approx((0.8, 0.2))
    assert between(0.8, 3) == pytest.approx((0.8, 0.5, 0.2))
    assert between(0.8, 1) == (0.8,)

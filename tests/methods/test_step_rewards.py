"""Rewards of steps by hand: a judge's grade, yes or no, and perplexity."""

import asyncio
import math

import pytest

from composer.backends.fake import Fake
from composer.methods.rewards.base import PartialAnswer, Partials
from composer.methods.rewards.judged import Affirmed, Judged
from composer.methods.rewards.perplexity import StepPerplexity
from composer.specs import Declared
from composer.values import Query, Score, Text

QUERY = Query.of("Take 7, add 5.")
PARTIALS = (PartialAnswer(("7+5=12\n", "answer 12"), "A"), PartialAnswer(("7+5=13\n",), "B"))
A, B = Declared("A", Fake(says="a")), Declared("B", Fake(says="b"))


class Told:
    """Replies as it is told to, by what a question holds, and scores what is known."""

    def __init__(self, replies=(), scores=()):
        self.replies, self.scores = dict(replies), dict(scores)
        self.asked, self.notes = [], {}

    async def generate(self, model, query, _, *, draft=False):
        assert draft
        self.asked.append(query.text)
        reply = next(reply for part, reply in self.replies.items() if part in query.text)
        return Text(query, reply, model.name)

    async def many(self, requests):
        self.asked += requests
        return [
            tuple(self.scores[each.model.name, each.prefix, text] for text in each.texts)
            for each in requests
        ]

    def note(self, **facts):
        self.notes |= facts


def rewards(part, ask, writers=(A, B), partials=PARTIALS):
    return asyncio.run(part.rewards(Partials(QUERY, partials, writers), ask))


def score(*logprobs):
    return Score(tuple("x" for _ in logprobs), logprobs)


def test_a_grade_is_scaled_to_a_share():
    ask = Told({"answer 12": "Right. [[10]]", "7+5=13": "No: [[1]]"})
    assert rewards(Judged(by=A), ask) == [1.0, 0.0]
    ask = Told({"answer 12": "[[4]]", "7+5=13": "[[2]]"})
    assert rewards(Judged(by=A, scale=5), ask) == [0.75, 0.25]


def test_a_judge_sees_the_question_and_the_steps_but_not_who_wrote_them():
    ask = Told({"": "[[3]]"})
    rewards(Judged(by=A, scale=7), ask)
    assert all(QUERY.text in question and "to 7" in question for question in ask.asked)
    assert "7+5=12\nanswer 12\n[End of the last step]" in ask.asked[0]
    assert "B" not in ask.asked[1].replace("Beginning", "")


def test_a_reply_without_a_grade_gives_no_reward():
    ask = Told({"answer 12": "[[3]]", "7+5=13": "I cannot say."})
    first, second = rewards(Judged(by=A), ask)
    assert (first, math.isnan(second)) == (2 / 9, True)
    assert ask.notes == {"unread_verdicts": 1}


def test_yes_is_weighed_against_no():
    scores = {
        ("A", "", "Yes"): score(math.log(0.6)),
        ("A", "", "No"): score(math.log(0.5), math.log(0.4)),
    }
    assert rewards(Affirmed(by=A), Told(scores=scores)) == pytest.approx([0.75, 0.75])


def test_the_words_may_be_others():
    scores = {("A", "", "+"): score(-800.0), ("A", "", "-"): score(0.0)}
    assert rewards(Affirmed(by=A, yes="+", no="-"), Told(scores=scores)) == pytest.approx([0, 0])


SCORES = {
    ("A", "7+5=12\n", "answer 12"): score(math.log(0.5), math.log(0.5)),
    ("B", "7+5=12\n", "answer 12"): score(math.log(0.25)),
    ("A", "", "7+5=13\n"): score(math.log(0.1), math.log(0.4)),
    ("B", "", "7+5=13\n"): score(math.log(0.2)),
}


def test_a_step_is_scored_behind_the_steps_before_it():
    inverse = rewards(StepPerplexity(), Told(scores=SCORES))
    assert inverse == pytest.approx([(0.5 + 0.25) / 2, (0.2 + 0.2) / 2])


def test_minus_the_mean_perplexity():
    minus = rewards(StepPerplexity(scale="minus"), Told(scores=SCORES))
    assert minus == pytest.approx([-(2 + 4) / 2, -(5 + 5) / 2])


def test_a_step_that_a_writer_cannot_have_written_is_the_worst():
    scores = SCORES | {("A", "", "7+5=13\n"): score(-math.inf)}
    assert rewards(StepPerplexity(), Told(scores=scores))[1] == pytest.approx(0.1)


def test_an_empty_step_has_the_reward_of_the_step_before_it():
    ended = (PartialAnswer(("7+5=13\n", ""), "B", over=True), PartialAnswer(("",), "A", over=True))
    scores = SCORES | {("A", "", ""): score(), ("B", "", ""): score()}
    after_a_step, alone = rewards(StepPerplexity(), Told(scores=scores), partials=ended)
    assert (after_a_step, math.isnan(alone)) == (pytest.approx(0.2), True)

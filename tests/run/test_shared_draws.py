"""Draws of one question reach a client that answers several at once as one request."""

from typing import ClassVar

import pytest

import composer
from composer.backends import BACKENDS, Capability, Card, ModelError, Remote
from composer.evaluate.estimate import estimate
from composer.evaluate.rows import row_of
from composer.run import Failure
from composer.values import Client, Completion, Generated, Usage
from composer.values.card import Price

SERVED = []
"""The seeds of each request that a client was given."""


class Together(Remote):
    """A model that gives several answers to one request: what it reads is billed once."""

    name: ClassVar[str] = "together"

    most: int = 128
    gives: int | None = None
    fails: bool = False
    price: Price = None

    @property
    def most_draws(self):
        return self.most

    def card(self):
        return Card(Capability.TEXT | Capability.CONTINUE, "together", price=self.price)

    async def open(self, name):
        return TogetherClient(self, name)


class TogetherClient(Client):
    """It answers with its seeds, and may give fewer answers than it is asked for."""

    def __init__(self, model, name):
        self.model, self.name, self.most_draws = model, name, model.most

    async def generate(self, request, on_text=None):
        SERVED.append(request.seeds)
        if self.model.fails:
            raise ModelError("E701", "out of order")
        draws = []
        for at, seed in enumerate(request.seeds[: self.model.gives]):
            usage = Usage.at(self.model.price, 1, 0 if at else 100, 10)
            draws.append(Completion(f"{seed % 97}", usage={self.name: usage}))
        if on_text is not None:
            on_text(draws[0].text)
        return Generated(tuple(draws))


@pytest.fixture(autouse=True)
def _together(monkeypatch):
    monkeypatch.setitem(BACKENDS._all, "together", Together)
    SERVED.clear()


def answer(text, query="why?", **ready):
    with composer.Recipe.load(text).ready(**ready) as ensemble:
        return ensemble(query)


MODEL = "model A = together(price = [10, 10])\n"
VOTE = " -> vote(by = exact())"


def sizes():
    return [len(seeds) for seeds in SERVED]


@pytest.mark.parametrize(
    ("steps", "asked"),
    [
        ("sample(A, 5)", [5]),
        ("[A(temperature = 1), A(temperature = 1), A(temperature = 1)]", [3]),
        ("[A(temperature = 1), A(temperature = 1), A(temperature = .5)]", [1, 2]),
        ('[sample(A, 3), prompt("""{{ query }}!""") -> sample(A, 2)]', [2, 3]),
        ("sample(A, 3, temperature = 0)", [1, 1, 1]),
    ],
)
def test_sampled_draws_of_one_question_are_one_request(steps, asked):
    result = answer(MODEL + steps + VOTE)
    assert sorted(sizes()) == asked
    assert result.members["A"].calls == sum(asked)


def test_draws_that_a_vote_needs_in_any_case_are_one_request():
    answer(MODEL + "sample(A, 9) -> vote(until = decided())")
    assert sizes()[0] == 5
    early = [seed for request in SERVED for seed in request]
    SERVED.clear()
    answer(MODEL + "sample(A, 9) -> vote()")
    assert early == list(SERVED[0])[: len(early)]


def test_a_search_asks_for_all_next_steps_of_a_text_at_once():
    answer(MODEL + "model R = fake()\nprocess_fuse(A, reward = rewarded(R), depth = 1)")
    assert sizes() == [4]


def test_a_prompt_is_billed_once_and_each_draw_by_itself():
    result = answer(MODEL + "sample(A, 4)" + VOTE)
    used = result.members["A"]
    assert (used.calls, used.prompt_tokens, used.completion_tokens) == (4, 100, 40)
    assert result.cost == pytest.approx(140 * 10 / 1e6)
    calls = [call for event in result.trace.events for call in event.asked]
    assert len(calls) == 4
    assert len(set(SERVED[0])) == 4


def test_a_client_has_a_most():
    answer("model A = together(most = 2)\nsample(A, 5)" + VOTE)
    assert sorted(sizes()) == [1, 2, 2]


def test_questions_do_not_share_a_request():
    with composer.Recipe.load(MODEL + "sample(A, 3)" + VOTE).ready() as ensemble:
        list(ensemble.map(["why?", "why?", "how?"]))
    assert sizes() == [3, 3, 3]


def test_only_the_draws_that_nobody_kept_are_asked_for(tmp_path):
    path = tmp_path / "answers.sqlite"
    two = answer(MODEL + "sample(A, 2)" + VOTE, cache=path)
    five = answer(MODEL + "sample(A, 5)" + VOTE, cache=path)
    again = answer(MODEL + "sample(A, 5)" + VOTE, cache=path)
    assert sizes() == [2, 3]
    assert five.members["A"].calls == 3
    assert (again.members["A"].calls, again.answer) == (0, five.answer)
    assert two.cost > 0


def test_a_budget_has_room_for_all_draws_and_one_prompt():
    recipe = MODEL + "sample(A, 4, max_tokens = 10)" + VOTE
    worst = (256 + 4 + 4 * 10) * 10 / 1e6
    answer(recipe, budget=worst)
    with pytest.raises(Failure, match="is too small") as caught:
        answer(recipe, budget=worst * 0.99)
    assert caught.value.code == "E709"


def test_an_estimate_counts_a_shared_prompt_once():
    row = row_of({"id": "1", "query": "why? " * 20}, 1)
    together, apart = (
        estimate(
            composer.Recipe.load(f"model A = together(most = {most})\nsample(A, 4){VOTE}"), [row]
        )
        for most in (8, 1)
    )
    assert together.total.calls.high == apart.total.calls.high == 4
    assert 4 * together.total.prompt_tokens.low == apart.total.prompt_tokens.low
    assert not SERVED


def test_answers_that_are_missing_fail_alone():
    models = "model A = together(gives = 3)\n"
    result = answer(models + "sample(A, 4)" + VOTE)
    assert [each.error for each in result.failed] == [
        "[E701] `A` gave 3 of 4 answers that it was asked for at once"
    ]
    with pytest.raises(Failure, match="2 of 5 branches failed"):
        answer(models + "sample(A, 5, min = 4)" + VOTE)


def test_a_request_that_fails_fails_for_all_its_draws():
    with pytest.raises(Failure, match=r"failed: `A`, `A#2`, `A#3`: \[E701\] out of order"):
        answer("model A = together(fails = true)\nsample(A, 3)" + VOTE)
    assert sizes() == [3]

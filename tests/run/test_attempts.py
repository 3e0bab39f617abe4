"""Attempts whose bill is unknown count with their worst case, and no attempt exceeds the budget."""

import asyncio
import random
from typing import ClassVar

import pytest

import composer
from composer.backends import BACKENDS, Capability, Card, ModelError, Remote
from composer.run import Failure
from composer.run.attempts import RunLedger, SharedLedger
from composer.run.budget import RunBudget
from composer.run.trace import Trace
from composer.values import Client, Completion, Generated, Usage
from composer.values.card import Price
from composer.values.ledger import Attempt, ledger

COST = 0.25
"""The worst case of an attempt, in dollars; an answer costs half of that."""


class Shaky(Remote):
    """A model of which each letter of `does` is an attempt: lost, refused, slow, or answered."""

    name: ClassVar[str] = "shaky"

    does: str = "a"
    tells: bool = True
    price: Price = None

    def card(self):
        return Card(Capability.TEXT, "shaky", price=self.price)

    async def open(self, name):
        return ShakyClient(self, name) if self.tells else SilentClient(self, name)


class ShakyClient(Client):
    tells_attempts = True

    def __init__(self, model, name):
        self.model, self.name = model, name

    async def generate(self, request, on_text=None):  # noqa: ARG002 - what is asked does not matter
        book = ledger()
        for letter in self.model.does:
            attempt = Attempt(self.name, "http://there", Usage(1, cost=COST))
            await book.begin(attempt)
            try:
                await asyncio.sleep(9 if letter == "s" else 0)
            except asyncio.CancelledError:
                book.failed(attempt, "cancelled", billed=True)
                raise
            if letter == "a":
                usage = Usage(1, 5, 5, COST / 2)
                book.answered(attempt, usage)
                return Generated((Completion("yes", usage={self.name: usage}),))
            book.failed(attempt, "cut off", billed=letter == "l")
            book.waits(0.5)
        raise ModelError("E701", "no answer")


class SilentClient(ShakyClient):
    tells_attempts = False

    async def generate(self, request, on_text=None):  # noqa: ARG002 - what is asked does not matter
        await asyncio.sleep(9 if self.model.does == "s" else 0)
        raise ModelError("E701", "no answer")


@pytest.fixture(autouse=True)
def _shaky(monkeypatch):
    monkeypatch.setitem(BACKENDS._all, "shaky", Shaky)


def asked(options, budget=None, queries=1, text="A(max_tokens = 4)"):
    recipe = f"model A = shaky({options}, price = [1000, 1000])\n{text}"
    with composer.Recipe.load(recipe).ready(budget=budget) as ensemble:
        return list(ensemble.map(map(str, range(queries)))), ensemble.budget


def test_a_lost_attempt_is_part_of_what_an_answer_cost():
    (result,), budget = asked('"lra"', budget=1.0)
    assert result.answer == "yes"
    assert result.members["A"] == Usage(2, 5, 5, COST * 1.5)
    assert budget.spent == result.cost


def test_the_trace_says_what_happened():
    (result,), _ = asked('"lra"')
    assert [line.strip() for line in result.trace.lines()][-5:] == [
        "`A` failed at http://there: cut off",
        "waited 0.50 s",
        "`A` failed at http://there: cut off",
        "waited 0.50 s",
        "`A` answered at http://there",
    ]


def test_no_attempt_is_made_that_does_not_fit_the_budget():
    (result,), budget = asked('"llllla"', budget=0.9)
    assert budget.spent == result.cost == pytest.approx(3 * COST)
    assert "E709" in result.error
    assert "too small for another attempt: $0.75 is spent, $0.75 of it on attempts" in result.error


@pytest.mark.parametrize("tells", ["true", "false"])
def test_a_request_that_a_time_limit_ends_counts_with_its_worst_case(tells):
    (result,), budget = asked(
        f'"s", tells = {tells}', budget=2.0, text="A(max_tokens = 4, timeout = 0.05)"
    )
    assert "E702" in result.error
    assert budget.spent == result.cost > 0


def test_a_failed_request_of_a_client_that_tells_nothing_counts_with_its_worst_case():
    (result,), budget = asked('"a", tells = false', budget=2.0)
    assert "E701" in result.error
    assert budget.spent == result.cost == pytest.approx((1 + 256 + 4) * 1000 / 1e6)


def test_a_failed_request_that_was_refused_costs_nothing():
    (result,), budget = asked('"rr"', budget=2.0)
    assert "E701" in result.error
    assert budget.spent == result.cost == 0


def test_many_at_once_never_exceed_the_budget_and_never_wait_for_each_other():
    results, budget = asked('"lla"', budget=40.0, queries=200)
    assert budget.spent <= 40.0
    assert budget.spent == pytest.approx(sum(result.cost for result in results))
    answered = [result for result in results if result.error is None]
    assert 0 < len(answered) < 200
    assert all("E709" in result.error for result in results if result.error)


@pytest.mark.parametrize("seed", range(20))
def test_rooms_add_up_whatever_their_attempts_do(seed):
    draws = random.Random(seed)
    budget = RunBudget(draws.uniform(0.5, 4))
    bills, codes = [], set()

    async def attempt(room):
        worst = draws.uniform(0, 0.4)
        await room.take(worst)
        await asyncio.sleep(0)
        assert budget.spent <= budget.dollars + 1e-9
        kind, cost = draws.choice(["lose", "give_back", "answer"]), draws.uniform(0, worst)
        getattr(room, kind)(*((worst, cost) if kind == "answer" else (worst,)))
        bills.append({"lose": worst, "give_back": 0, "answer": cost}[kind])

    async def call():
        try:
            async with budget.room(draws.uniform(0, 0.4)) as room:
                for _ in range(3):
                    attempts = [attempt(room) for _ in range(draws.choice([1, 1, 2]))]
                    await asyncio.gather(*attempts, return_exceptions=draws.random() < 0.5)
        except Failure as failure:
            codes.add(failure.code)

    async def all_calls():
        await asyncio.wait_for(asyncio.gather(*(call() for _ in range(12))), 5)

    asyncio.run(all_calls())
    assert budget.spent == pytest.approx(sum(bills))
    assert budget.spent <= budget.dollars + 1e-9
    assert budget._reserved == 0
    assert codes <= {"E709"}


def test_a_request_of_several_answers_begins_for_all_of_them_or_for_none():
    async def main():
        budget, trace = RunBudget(1.0), Trace("0", "why?")
        event = trace.begin("r0", "step")
        call = trace.open_call(event, "A", "asked", [])
        attempt = Attempt("A", "http://there", Usage(1, cost=0.9))
        async with budget.room(0.3) as one, budget.room(0.3) as two, budget.room(0.3) as three:
            ledgers = [RunLedger(trace, event, call, room) for room in (one, two, three)]
            shared = SharedLedger(ledgers)
            await shared.begin(attempt)
            shared.failed(attempt, "cut off", billed=True)
            assert budget.spent == pytest.approx(0.9)
            with pytest.raises(Failure, match="too small for another attempt"):
                await shared.begin(attempt)
            small = Attempt("A", "http://there", Usage(1, cost=0.06))
            await shared.begin(small)
            shared.answered(small, Usage(1, cost=0.03))
        return budget.spent, budget._reserved, trace.usage["A"].cost

    spent, reserved, traced = asyncio.run(main())
    assert (spent, reserved, traced) == pytest.approx((0.93, 0, 0.9))

"""What steps ask goes to the models' clients, is kept and billed one by one, and is traced."""

import asyncio

import pytest

from composer.backends.fake import Fake
from composer.run.asker import RunAsker
from composer.run.budget import RunBudget
from composer.run.cache import open_cache
from composer.run.clients import ModelClients
from composer.run.metered_client import RunContext
from composer.run.trace import Trace
from composer.specs import Declared
from composer.values import Generate, NextTokens, Query, Reward, Sampling, ScoreTexts

PRICE = (1000.0, 1000.0)
A = Declared("A", Fake(among=("red", "green", "blue"), price=PRICE))
QUERY = Query.of("which?")
WARM = Sampling(temperature=1.0, max_tokens=4)


@pytest.fixture
def asked(tmp_path):
    """Ask as a step does: `asked(work)` gives the result, the trace and the event."""
    cache = open_cache(tmp_path / "answers.sqlite")

    def run(work, budget=None):
        prices = {"A": PRICE}
        clients = ModelClients(lambda: pytest.fail("the engine was started"), prices)
        means = RunContext(clients, prices, cache, None if budget is None else RunBudget(budget))
        trace = Trace("0", "which?")
        event = trace.begin("r0", "step")

        async def whole():
            try:
                return await work(RunAsker(means, trace, event, "seed"))
            finally:
                await clients.close()

        return asyncio.run(whole()), trace, event

    yield run
    cache.close()


def test_several_draws_are_one_request_and_several_answers(asked):
    made, trace, event = asked(lambda ask: ask.ask(Generate(A, QUERY, WARM, draws=4)))
    assert [each.text for each in made.draws] == [each.text for each in event.asked]
    assert trace.usage["A"].calls == len(made.draws) == 4


def test_each_draw_is_kept_by_itself(asked):
    two, _, _ = asked(lambda ask: ask.ask(Generate(A, QUERY, WARM, draws=2)))
    four, trace, event = asked(lambda ask: ask.ask(Generate(A, QUERY, WARM, draws=4)))
    assert [each.text for each in four.draws[:2]] == [each.text for each in two.draws]
    assert [each.cached for each in event.asked] == [True, True, False, False]
    assert trace.usage["A"].calls == 2


def test_many_requests_are_seeded_in_their_order(asked):
    requests = [Generate(A, QUERY, WARM) for _ in range(3)]
    made, _, _ = asked(lambda ask: ask.many(requests))
    whole, _, _ = asked(lambda ask: ask.ask(Generate(A, QUERY, WARM, draws=3)))
    assert [each.draws[0].text for each in made] == [each.text for each in whole.draws]


def test_a_partial_answer_is_part_of_what_is_kept(asked):
    asked(lambda ask: ask.ask(Generate(A, QUERY)))
    _, _, event = asked(lambda ask: ask.ask(Generate(A, QUERY, prefix="So")))
    assert [each.cached for each in event.asked] == [False]


def test_rewards_come_in_the_order_of_the_texts(asked):
    wanted = Declared("A", Fake(says="yes"))
    request = Reward(wanted, QUERY, ("no", "yes, sure", "maybe"))
    rewarded, trace, event = asked(lambda ask: ask.ask(request))
    assert rewarded.values.index(max(rewarded.values)) == 1
    assert trace.usage["A"].calls == 1
    assert event.asked[0].what == "rewarded by"


@pytest.mark.parametrize("request_", [ScoreTexts(A, QUERY, ("x",)), NextTokens(A, ((1,),))])
def test_a_verb_that_a_model_lacks_says_so(asked, request_):
    with pytest.raises(Exception, match="`A` cannot") as caught:
        asked(lambda ask: ask.ask(request_))
    assert caught.value.code == "E302"


def test_a_budget_holds_for_each_draw(asked):
    with pytest.raises(Exception, match="is too small for") as caught:
        asked(lambda ask: ask.ask(Generate(A, QUERY, WARM, draws=2)), budget=0.01)
    assert caught.value.code == "E709"

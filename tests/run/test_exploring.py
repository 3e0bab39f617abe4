"""Who asks servers what they give, and when: a run does, and nothing before it."""

import asyncio
import socket
from functools import partial

import pytest
from scripted_server import scripted

from composer.backends.endpoint.transport import retry
from composer.diagnostics import Mistakes
from composer.evaluate import estimate
from composer.evaluate.rows import EvaluationRow
from composer.recipe import Recipe
from composer.run.budget import RunBudget

NOBODY = "http://127.0.0.1:9/v1"


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    monkeypatch.setattr(retry, "FIRST", 0.001)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def load(url, answer="A", price="[0, 0]"):
    model = f'model A = endpoint("m", url = "{url}", retries = 0, price = {price})'
    return Recipe.load(f'{model}\nmodel B = fake("42")\n{answer}\n')


def test_nothing_asks_a_server_before_a_run():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        recipe = load(f"http://127.0.0.1:{server.getsockname()[1]}/v1")
        assert [warning.code for warning in recipe.check()] == ["W501", "W201"]
        recipe.plan()
        estimate(recipe, [EvaluationRow("1", "What is 17 plus 25?")], cache=False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_a_server_that_cannot_be_reached_is_told_once():
    recipe, told = load(NOBODY, "A | B"), []
    for _ in range(2):
        with recipe.ready(warn=told.append) as ensemble:
            assert ensemble("x").answer == "42"
    assert [each.code for each in told] == ["W703"]


def test_where_no_model_is_left_nothing_runs():
    recipe = load(NOBODY)
    with pytest.raises(Mistakes, match="cannot be asked what it gives"):
        recipe.ready()


def test_servers_are_asked_from_within_an_event_loop():
    async def ask():
        async with load(NOBODY, "A | B").ready(warn=lambda _: None) as ensemble:
            return (await ensemble.ask("x")).answer

    assert asyncio.run(ask()) == "42"


def test_a_budget_that_is_too_small_to_ask_lets_kept_answers_through():
    recipe, told = load(NOBODY, "A | B", price="[1000, 1000]"), []
    with recipe.ready(budget=0.001, warn=told.append) as ensemble:
        assert ensemble("x").answer == "42"
    assert "is not asked what it gives" in told[0].message


def test_asking_counts_against_the_budget():
    async def ask():
        async with scripted() as server:
            recipe, budget = load(server.url, price="[1000, 1000]"), RunBudget(100)
            ready = partial(recipe.ready, budget=budget, warn=lambda _: None)
            async with await asyncio.to_thread(ready):
                return budget.spent, len(server.requests)

    spent, requests = asyncio.run(ask())
    assert requests > 0
    assert 0 < spent < 100

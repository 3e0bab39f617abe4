"""Members behind servers that fail are fused within the budget, as the servers count it."""

import json
import urllib.request
from contextlib import ExitStack

import pytest
from chaos_proxy import chaos

PRICE = (10.0, 100.0)
MODELS = {"A": "general-1", "B": "maths"}
QUERIES = [f"What is {n} plus {n + 3}?" for n in range(4)]


@pytest.fixture
def fused(remote, servers, answers):
    """Fuse through a proxy within a budget; give the results and what the servers have billed."""

    def run(budget, share, **options):
        urls = {name: servers(model) for name, model in MODELS.items()}
        for url in urls.values():
            stats(url, "DELETE")
        more = {"retries": 20, "idle": 3, "price": list(PRICE), **options}
        text = "".join(f", {name} = {value}" for name, value in more.items())
        recipe = "default generate(max_tokens = 6)\n"
        with ExitStack() as stack:
            for seed, (name, model) in enumerate(MODELS.items()):
                proxy = stack.enter_context(chaos(urls[name], seed=seed, share=share))
                declared = remote(name, model)
                declared = declared.replace(urls[name], proxy.url)
                recipe += declared.replace(", probe = false", ", probe = false" + text)
            results = answers(recipe + "token_fuse(A, B)", *QUERIES, budget=budget)
        return results, sum(map(billed, urls.values()))

    return run


def stats(url, method="GET"):
    request = urllib.request.Request(url.removesuffix("/v1") + "/stats", method=method)
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


def billed(url):
    counts = stats(url)
    read, written = counts["prompt_tokens"], counts["completion_tokens"]
    return (read * PRICE[0] + written * PRICE[1]) / 1e6


@pytest.mark.slow
def test_lost_attempts_of_members_are_part_of_what_an_answer_cost(fused):
    results, bill = fused(budget=5.0, share=0.3)
    assert all(result.error is None for result in results)
    assert bill <= sum(result.cost for result in results) + 1e-9
    assert any("attempts" in event.notes for event in results[0].trace.events)


@pytest.mark.slow
def test_a_small_budget_is_held(fused):
    results, bill = fused(budget=0.0708, share=0.3)  # an answer may cost 0.0694
    assert results[0].error is None
    assert {result.error[:6] for result in results if result.error} == {"[E709]"}
    assert bill <= sum(result.cost for result in results) + 1e-9
    assert sum(result.cost for result in results) <= 0.0708


def test_a_time_limit_leaves_no_cost_out(fused):
    results, bill = fused(budget=5.0, share=0.0, timeout=0.05)
    assert any(result.error and "E702" in result.error for result in results)
    assert bill <= sum(result.cost for result in results) + 1e-9

"""Many queries through a proxy that fails: none is lost, and none costs more than it may."""

import json
import re
import urllib.request
from collections import Counter

import pytest
from chaos_proxy import ChaosProxy, chaos
from small_server import serving

import composer
from composer import zoo
from composer.backends.endpoint.transport import retry

PRICE = (100, 1000)
REASON = re.compile(r"\[E7(01|02|23)\] .+: .+")
FAULTS = sorted(name[3:] for name in dir(ChaosProxy) if name.startswith("on_"))
MOST = {False: 100, True: 1000}
"""Queries of the quick test, and of the slow one."""


@pytest.fixture(scope="module")
def server():
    with serving(zoo.folder("general-1"), price=PRICE) as url:
        asked(url, 1)
        yield url


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(retry, "FIRST", 0.02)


def stats(url, method="GET"):
    request = urllib.request.Request(url.replace("/v1", "/stats"), method=method)
    with urllib.request.urlopen(request) as reply:
        return json.load(reply)


def ready(url, budget=None, tokens=4, **options):
    options = {"concurrency": 16, "idle": 1.5, **options}
    more = "".join(f", {name} = {value}" for name, value in options.items())
    return composer.Recipe.load(
        f'model A = endpoint("general-1", url = "{url}", probe = false, api = completions, '
        f"abilities = [usage: true], price = [{PRICE[0]}, {PRICE[1]}]{more})\n"
        f"A(max_tokens = {tokens})\n"
    ).ready(budget=budget)


def questions(count):
    return [f"What is {number} + 1?" for number in range(count)]


def asked(url, count, budget=None, **options):
    with ready(url, budget, **options) as ensemble:
        return list(ensemble.map(questions(count))), ensemble.budget


@pytest.mark.slow
@pytest.mark.parametrize("slow", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_query_is_answered_or_has_a_reason_and_costs_what_the_budget_allows(server, slow):
    count = MOST[slow]
    right, _ = asked(server, count)
    stats(server, "DELETE")
    with chaos(server, seed=3) as proxy:
        results, budget = asked(proxy.url, count, budget=count * 0.05)
    assert [result.query for result in results] == questions(count)
    answered = [result.error is None for result in results]
    assert answered.count(True) > 0.95 * count
    for result, expected in zip(results, right, strict=True):
        assert result.answer == expected.answer or REASON.match(result.error)
    assert set(proxy.faults) == set(FAULTS)
    assert budget.spent == pytest.approx(sum(result.cost for result in results))
    assert stats(server)["dollars"] <= budget.spent + 1e-9
    assert budget.spent <= budget.dollars


def test_streamed_text_is_never_shown_twice_and_never_lacks_a_part(server):
    right, _ = asked(server, 6, tokens=16)
    options = {"seed": 1, "share": 0.6, "only": ["malformed", "reset", "truncated"]}
    with (
        chaos(server, **options) as proxy,
        ready(proxy.url, retries=20, tokens=16) as ensemble,
    ):
        streams = [list(ensemble.stream(question)) for question in questions(6)]
    assert ["".join(stream).strip() for stream in streams] == [result.answer for result in right]
    assert max(map(len, streams)) > 3
    assert sum(proxy.faults.values()) > 3


def test_a_budget_that_is_too_small_is_not_exceeded_by_what_the_server_counts(server):
    stats(server, "DELETE")
    with chaos(server, seed=4, share=0.5) as proxy:
        results, budget = asked(proxy.url, 50, budget=0.6)
    reasons = Counter("answer" if not each.error else each.error[:6] for each in results)
    assert reasons["answer"] > 3
    assert reasons["[E709]"] > 5
    assert sum(reasons.values()) == 50
    assert stats(server)["dollars"] <= budget.spent <= budget.dollars
    assert budget.spent == pytest.approx(sum(result.cost for result in results))


def test_cancelled_requests_count_too(server):
    stats(server, "DELETE")
    with chaos(server, share=1.0, only=["hang"]) as proxy:
        results, budget = asked(proxy.url, 3, budget=2.0, timeout=0.2)
    assert all("E702" in result.error for result in results)
    assert 0 < stats(server)["dollars"] <= budget.spent == sum(each.cost for each in results)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_alone_is_got_over(server, fault):
    with chaos(server, seed=1, share=0.5, only=[fault]) as proxy:
        results, _ = asked(proxy.url, 6, idle=0.5)
    assert all(result.error is None for result in results)
    assert proxy.requests >= 6

"""What a server leaves untold is bounded and told; failures, paces and counts of requests."""

import json
import time
import urllib.request

import pytest
from chaos_proxy import ChaosProxy

QUERIES = ("What is 17 plus 25?", "Reverse the word star.", "Write 14 in roman numerals.")
FEW = "default generate(max_tokens = 8)\n"


def stats(url):
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as reply:
        return json.load(reply)


def forget(url):
    request = urllib.request.Request(url.removesuffix("/v1") + "/stats", method="DELETE")
    urllib.request.urlopen(request).close()


def completions(url):
    return stats(url)["requests"]["/v1/completions"]


def untold(result):
    notes = [e.notes["untold"] for e in result.trace.events if "untold" in e.notes]
    return max((note["probability"] for note in notes), default=0.0)


def test_the_likeliest_alone_give_probabilities_within_the_bound(remote, local, answers):
    fuse = "token_fuse(A, B)"
    models = {"A": "general-1", "B": "maths"}
    there = "".join(remote(n, m, top=3, chosen=0) for n, m in models.items())
    here = "".join(local(n, m) for n, m in models.items())
    told = answers(FEW + there + fuse, *QUERIES)
    for one, other in zip(told, answers(FEW + here + fuse, *QUERIES), strict=True):
        assert one.answer == other.answer
        assert abs(one.confidence - other.confidence) <= untold(one) + 1e-6
    assert 0 < max(map(untold, told)) < 0.5


def test_what_changes_no_choice_is_not_asked_for(remote, servers, answers):
    recipe = FEW + remote("A", "general-1") + remote("B", "maths") + "token_fuse(A, B)"
    urls = [servers("general-1"), servers("maths")]
    for url in urls:
        forget(url)
    results = answers(recipe, *QUERIES)
    tokens = sum(call.tokens for r in results for e in r.trace.events for call in e.asked)
    assert all(completions(url) <= 1.5 * tokens for url in urls)
    assert max(map(untold, results)) < 0.1


@pytest.mark.parametrize("draft", ["speculative(tokens = 4)", "safe(tokens = 4)"])
def test_a_draft_is_one_request(remote, servers, answers, draft):
    recipe = "default generate(max_tokens = 24)\n" + remote("A", "general-1")
    recipe += remote("B", "general-2") + f"token_fuse(A, B, draft = {draft})"
    urls = [servers("general-1"), servers("general-2")]
    for url in urls:
        forget(url)
    (result,) = answers(recipe, "Reverse the word basket and the word window.")
    tokens = next(call.tokens for e in result.trace.events for call in e.asked)
    assert tokens > 4
    assert all(completions(url) < 0.75 * tokens for url in urls)


def test_a_member_that_fails_is_dropped_if_the_fuse_allows_it(remote, local, servers, answers):
    proxy = ChaosProxy(servers("maths"), share=1.0, only=["broken"])
    proxy.start()
    try:
        bad = remote("B", "maths").replace(servers("maths"), proxy.url)
        bad = bad.replace("probe = false", "probe = false, retries = 1")
        recipe = FEW + local("A", "general-1") + bad + "token_fuse(A, B, leave = true)"
        (result,) = answers(recipe, QUERIES[0])
        (alone,) = answers(FEW + local("A", "general-1") + "A", QUERIES[0])
        (strict,) = answers(recipe.replace(", leave = true", ""), QUERIES[0])
    finally:
        proxy.stop()
    assert result.answer == alone.answer
    assert "`B`" in str(result.trace.events[-1].notes["left"])
    assert strict.error is not None


def test_a_slow_server_holds_no_local_answer_up(remote, local, answers):
    recipe = FEW + remote("A", "general-1", server={"step_ms": 300.0}) + local("B", "general-1")
    recipe += local("C", "text")
    answers(recipe + "C", *QUERIES)  # loads the model
    (result,) = answers(recipe + "[token_fuse(A, B), C, C(top_k = 1)] -> vote()", QUERIES[0])
    seconds = {call.model: call.seconds for e in result.trace.events for call in e.asked}
    assert seconds["token_fuse(A, B)"] > 0.9
    assert seconds["C"] < 0.5 * seconds["token_fuse(A, B)"]


def test_every_answer_comes_through_chaos(remote, servers, answers):
    proxies = [ChaosProxy(servers(name), seed=n, share=0.3) for n, name in enumerate(MODELS)]
    for proxy in proxies:
        proxy.start()
    try:
        calm = "".join(remote(letter, name) for letter, name in zip("AB", MODELS, strict=True))
        wild = calm.replace("probe = false", "probe = false, retries = 20, idle = 1")
        for name, proxy in zip(MODELS, proxies, strict=True):
            wild = wild.replace(servers(name), proxy.url)
        queries = [f"What is {n} plus {n + 3}?" for n in range(12)]
        began = time.monotonic()
        through = answers(FEW + wild + "token_fuse(A, B)", *queries)
        assert time.monotonic() - began < 60
    finally:
        for proxy in proxies:
            proxy.stop()
    expected = answers(FEW + calm + "token_fuse(A, B)", *queries)
    assert [r.answer for r in through] == [r.answer for r in expected]
    assert sum(sum(proxy.faults.values()) for proxy in proxies) > 3


MODELS = ("general-1", "maths")

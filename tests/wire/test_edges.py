"""Where the wire differs from a model in this process: options, full contexts, budgets, caches."""

import time

import httpx2
import pytest
from chaos_proxy import ChaosProxy

import composer

QUERY = "Reverse the word star."
FEW = "default generate(max_tokens = 8)\n"
PAIR = {"A": "general-1", "B": "general-2"}


def declared(declare, **options):
    return FEW + "".join(declare(name, model, **options) for name, model in PAIR.items())


@pytest.mark.parametrize("how", ['logit_bias = [["x", 14], ["1", -5]]', "frequency_penalty = -2"])
def test_options_that_raise_a_token_ask_for_it(remote, local, answers, how):
    fused = f"let fused = token_fuse(A, B)\nfused({how})"
    (there,) = answers(declared(remote, top=2) + fused, QUERY)
    (here,) = answers(declared(local) + fused, QUERY)
    assert there.answer == here.answer


@pytest.mark.parametrize("draft", ["", ", draft = speculative(tokens = 4)"])
def test_a_full_context_ends_an_answer(remote, answers, draft):
    how = f"let fused = token_fuse(A, B{draft})\nfused(max_tokens = 40, min_tokens = 40)"
    query = " ".join(["Reverse the word star."] * 41)
    (result,) = answers(declared(remote) + how, query)
    assert result.error is None
    assert result.answer


def test_members_that_need_no_other_probabilities_leave_nothing_untold(remote, answers):
    (result,) = answers(declared(remote, chosen=0) + "token_fuse(A, A)", QUERY)
    assert not any("untold" in event.notes for event in result.trace.events)


def test_an_answer_that_is_kept_is_not_asked_for_again(remote, servers, tmp_path):
    stats = servers("general-1").removesuffix("/v1") + "/stats"
    recipe = declared(remote) + "token_fuse(A, B)"
    counts, texts = [], []
    for _ in range(2):
        httpx2.delete(stats)
        with composer.Recipe.load(recipe).ready(cache=tmp_path / "answers") as ensemble:
            texts.append(ensemble(QUERY).answer)
        counts.append(httpx2.get(stats).json()["prompts"])
    assert counts[0] > 0 == counts[1]
    assert texts[0] == texts[1]


@pytest.mark.parametrize("leave", ["", ", leave = true"])
def test_a_budget_ends_a_fuse(remote, servers, leave):
    recipe = declared(remote).replace("probe = false", "probe = false, price = [1000, 1000]")
    stats = [servers(model).removesuffix("/v1") + "/stats" for model in PAIR.values()]
    for each in stats:
        httpx2.delete(each)
    budget = 9.1  # one answer at its highest cost
    with composer.Recipe.load(recipe + f"token_fuse(A, B{leave})").ready(budget=budget) as ensemble:
        results = list(ensemble.map([f"What is {n} plus 4?" for n in range(9)]))
    bills = [httpx2.get(each).json() for each in stats]
    spent = sum(bill["prompt_tokens"] + bill["completion_tokens"] for bill in bills) / 1000
    assert 0 < spent <= budget
    assert sum(usage.cost for r in results for usage in r.members.values()) == pytest.approx(spent)
    failed = [result for result in results if result.error is not None]
    assert 0 < len(failed) < len(results)
    assert all("[E709]" in str(result.error) for result in failed)
    assert not any("left" in event.notes for r in results for event in r.trace.events)


def test_who_gives_up_frees_a_server_that_hangs(remote, servers):
    proxy = ChaosProxy(servers("general-2"), share=1.0, only=["hang"])
    proxy.start()
    try:
        recipe = declared(remote).replace(servers("general-2"), proxy.url)
        with composer.Recipe.load(recipe + "token_fuse(A, B)").ready(timeout=0.5) as ensemble:
            began, worked = time.monotonic(), time.process_time()
            with pytest.raises(composer.run.Failure) as caught:
                ensemble(QUERY)
            assert time.monotonic() - began < 5
            assert time.process_time() - worked < 2
    finally:
        proxy.stop()
    assert caught.value.code == "E702"

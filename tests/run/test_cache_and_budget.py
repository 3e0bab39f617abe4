"""Answers that are kept, and budgets that are never exceeded."""

from dataclasses import replace

import pytest

import composer
from composer.backends.fake import Fake
from composer.run import Failure
from composer.run.budget import in_dollars
from composer.run.cache import AnswerCache, answer_key
from composer.specs import Declared
from composer.values import Completion, Generate, Query, Sampling

FAKE = "model A = fake(confidence = 0.9, price = [1000, 1000])\n"


def ask(text, query, path, seed=0, **ready):
    recipe = composer.Recipe.load(text, seed=seed)
    with recipe.ready(cache=path, **ready) as ensemble:
        return ensemble(query)


def test_a_kept_answer_is_not_made_again(tmp_path):
    path = tmp_path / "answers.sqlite"
    first, second = (ask(FAKE + "A", "why?", path) for _ in range(2))
    assert first.answer == second.answer
    assert first.confidence == second.confidence
    assert (first.members["A"].calls, second.members["A"].calls) == (1, 0)
    assert first.cost > 0
    assert second.cost == 0


def test_another_question_is_made(tmp_path):
    path = tmp_path / "answers.sqlite"
    ask(FAKE + "A", "why?", path)
    assert ask(FAKE + "A", "how?", path).members["A"].calls == 1


def test_sampled_work_is_kept_for_its_seed(tmp_path):
    path = tmp_path / "answers.sqlite"
    text = FAKE + "A(temperature = 1)"
    first = ask(text, "why?", path, seed=1)
    assert ask(text, "why?", path, seed=1).members["A"].calls == 0
    assert ask(text, "why?", path, seed=2).members["A"].calls == 1
    assert ask(text, "why?", path, seed=1).answer == first.answer


def test_a_model_that_changed_is_asked_again(tmp_path):
    path = tmp_path / "answers.sqlite"
    ask('model A = fake("one")\nA', "why?", path)
    assert ask('model A = fake("two")\nA', "why?", path).answer == "two"


def test_a_models_name_does_not_matter(tmp_path):
    path = tmp_path / "answers.sqlite"
    ask('model A = fake("one")\nA', "why?", path)
    result = ask('model B = fake("one")\nB', "why?", path)
    assert result.members["B"].calls == 0


def test_without_a_cache_nothing_is_kept(tmp_path):
    results = [composer.load(FAKE + "A")("why?") for _ in range(2)]
    assert [result.members["A"].calls for result in results] == [1, 1]
    assert not list(tmp_path.iterdir())


def test_a_local_group_is_kept_by_content(tmp_path):
    from composer import zoo

    name = zoo.names()[0]
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in zoo.folder(name).iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    path = tmp_path / "answers.sqlite"
    shipped = f'model A = zoo("{name}")\nA(max_tokens = 4)'
    copied = f'model A = hf("{copy}", dtype = fp32)\nA(max_tokens = 4)'
    assert ask(shipped, "What is 1 plus 1?", path).members["A"].calls == 1
    assert ask(copied, "What is 1 plus 1?", path).members["A"].calls == 0


def test_the_file_can_be_opened_by_two_runs_at_once(tmp_path):
    one, two = (AnswerCache(tmp_path / "answers.sqlite") for _ in range(2))
    one.put("key", Completion("text", tokens=("te", "xt"), logprobs=(-0.1, -0.2)))
    found = two.get("key")
    assert (found.text, found.logprobs, found.cached) == ("text", (-0.1, -0.2), True)
    assert two.get("other") is None


def test_greedy_keys_have_no_seed():
    greedy = Generate(Declared("A", Fake()), Query.of("q"), seeds=(0,))
    assert answer_key(greedy) == answer_key(replace(greedy, seeds=(9,)))
    drawn = replace(greedy, sampling=Sampling(temperature=1.0))
    assert answer_key(drawn) != answer_key(replace(drawn, seeds=(9,)))


@pytest.mark.parametrize(("amount", "text"), [(1e-05, "$0.00001"), (0.0, "$0"), (2.5, "$2.5")])
def test_dollars_are_written_in_plain_decimals(amount, text):
    assert in_dollars(amount) == text


def test_a_budget_refuses_what_might_exceed_it():
    recipe = composer.load(FAKE + "A")
    with recipe.ready(budget=0.01) as ensemble, pytest.raises(Failure) as caught:
        ensemble("why?")
    assert caught.value.code == "E709"


def test_a_budget_is_never_exceeded_by_many_at_once():
    recipe = composer.load(FAKE + "A(max_tokens = 8)")
    with recipe.ready(budget=1.0) as ensemble:
        results = list(ensemble.map([f"question {n}" for n in range(200)]))
        spent = ensemble.budget.spent
    assert spent <= 1.0
    assert spent == pytest.approx(sum(result.cost for result in results))
    answered = [result for result in results if result.error is None]
    refused = [result for result in results if result.error is not None]
    assert answered
    assert refused
    assert all("E709" in result.error for result in refused)


def test_free_models_need_no_budget():
    with composer.load('model A = fake("x")\nA').ready(budget=0.0) as ensemble:
        assert ensemble("why?").answer == "x"


def test_a_score_counts_against_the_budget(load):
    priced = 'model M = zoo("maths", price = [1000000, 0])\n'
    with load("M", models=priced).ready(cache=False, budget=1000) as ensemble:
        scored = len(ensemble.score("1 + 1").logprobs)
        assert ensemble.budget.spent == scored > 0
    unpaid = load("M", models=priced).ready(cache=False, budget=0)
    with unpaid as ensemble, pytest.raises(Failure, match="E709"):
        ensemble.score("1 + 1")

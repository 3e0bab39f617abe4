"""Details of tokens that are asked for because a signal reads them."""

import pytest

from composer.recipe import Recipe
from composer.run.token_details import details_for_signals

QUESTION = "Reverse the word star."


def recipe(rest):
    return Recipe.load(f'use "zoo.ens" (general, maths, large)\n{rest}')


def details(rest):
    root = recipe(rest).optimized.root
    return {node.inputs[1].title: each.top for node, each in details_for_signals(root).items()}


@pytest.fixture(scope="module")
def sure(tmp_path_factory):
    """Ask a cascade twice, which keeps its answers; return both results."""
    path = tmp_path_factory.mktemp("kept") / "answers.sqlite"
    rule = "token_margin(of = least) >= 0 and token_entropy < 3 and probability > 0.5"
    text = f"cascade(general, large, accept = {rule})"
    results = []
    for _ in range(2):
        with recipe(text).ready(cache=path) as ensemble:
            results.append(ensemble(QUESTION))
    return results


def signals(result):
    return next(e for e in result.trace.events if e.op == "cascade").notes["stages"][0]["signals"]


def test_signals_read_the_likeliest_tokens_of_a_model_of_this_process(sure):
    values = signals(sure[0])
    assert 0 < values['token_margin(of = "least")'] < values["probability"] < 1
    assert 0 < values["token_entropy"] < 1


def test_they_are_kept_with_the_answer(sure):
    first, second = sure
    assert (first.members["general"].calls, second.members["general"].calls) == (1, 0)
    assert signals(second) == signals(first)


def test_only_answers_whose_tokens_a_signal_reads_have_details():
    assert details("cascade(general, large, accept = confidence > 0.5)") == {}
    assert details("[general, maths -> cascade(large, accept = token_margin > 0.5)] -> vote()") == {
        "maths": 2,
        "large": 2,
    }
    assert details("cascade(general, large, accept = token_entropy(top = 5) < 1)")["general"] == 5


def test_the_answers_of_a_vote_have_them_too():
    rest = "sample(general, 3) -> vote() -> cascade(large, accept = token_margin > 0.5)"
    root = recipe(rest).optimized.root
    assert {node.op for node in details_for_signals(root)} == {"sample", "generate"}


def test_a_model_that_cannot_tell_them_is_asked_without_them(load, ready, tmp_path):
    answers = '{"A": {"text": "a", "logprob": -0.1}, "B": {"text": "b", "logprob": -0.2}}'
    (tmp_path / "rows.jsonl").write_text(f'{{"query": "Why?", "recorded": {answers}}}')
    models = "".join(f'model {name} = recorded("rows.jsonl", "{name}")\n' for name in "AB")
    either = "cascade(A, B, accept = token_margin >= 0.5 or probability >= 0.8)"
    assert ready(either, models=models)("Why?").answer == "a"
    warnings = load("cascade(A, B, accept = token_margin > 0.5)", models=models).check()
    (warning,) = (each for each in warnings if each.code == "W301")
    assert "uses the token_margin of `A`, which is never known" in warning.message
    assert "tells no other tokens than those that it writes" in str(warning.notes)

"""An answer from the cache costs nothing now; the trace says what it would have cost."""

import pytest

from composer.recipe import Recipe


def asked(path, text):
    with Recipe.load(text).ready(cache=path) as ensemble:
        result = ensemble("2 + 2?")
    return result.cost, result.trace.cache_savings


def test_savings_are_those_of_the_prices_of_today(tmp_path):
    path = tmp_path / "answers.sqlite"
    cost, savings = asked(path, 'model A = fake("4", price = [1, 2])\nA\n')
    assert cost > 0
    assert savings.calls == 0
    again, savings = asked(path, 'model A = fake("4", price = [1, 2])\nA\n')
    assert again == 0
    assert (savings.calls, savings.cost) == (1, pytest.approx(cost))


def test_a_vote_saves_each_of_its_calls(tmp_path):
    path, text = tmp_path / "answers.sqlite", 'model A = fake("4")\nsample(A, 3) -> vote()\n'
    assert asked(path, text)[1].calls == 0
    assert asked(path, text)[1].calls == 3

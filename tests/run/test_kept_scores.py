"""Scores are kept on disk like answers."""

import composer
from composer.run.cache import AnswerCache
from composer.values import Score

ROUTE = """model A = zoo("general-1")
model B = zoo("maths")
route(by = perplexity()) -> [A(max_tokens = 4), B(max_tokens = 4)]
"""


def test_a_kept_score_is_read_back_whole(tmp_path):
    one, two = (AnswerCache(tmp_path / "answers.sqlite") for _ in range(2))
    score = Score(("4", "2"), (-0.1, -0.2))
    one.put_score("key", score)
    assert two.get_score("key") == score
    assert two.get_score("other") is None
    assert two.get("key") is None


def test_a_route_by_perplexity_asks_nobody_again(tmp_path):
    told = []
    first, second = (ask(tmp_path / "answers.sqlite", told) for _ in range(2))
    assert first.answer == second.answer
    assert first.decision == second.decision
    assert sum(usage.calls for usage in first.members.values()) == 3
    assert sum(usage.calls for usage in second.members.values()) == 0
    assert told == ["torch", "A", "B"]
    assert all(asked.cached for event in second.trace.events for asked in event.asked)


def ask(path, told):
    with composer.load(ROUTE).ready(cache=path, loading=told.append) as ensemble:
        return ensemble("What is 17 plus 25?")

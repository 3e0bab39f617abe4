"""A guard over votes: the best member answers unless the vote is better on held-out labels."""

import pytest
from answer_tables import drawn, fitted, shares, table_of

from composer.methods import Count
from composer.methods.reductions.guarded import Guarded
from composer.methods.reductions.log_odds import LogOdds

SKEWED = table_of([["a", "b", "b"]] * 5 + [["a", "a", "b"]] * 5, ["a"] * 10)
BALANCED = drawn((0.7, 0.7, 0.7, 0.7, 0.7), 4, 100)


@pytest.mark.parametrize("of", [Count(), LogOdds(choices=3)], ids=["count", "log_odds"])
def test_the_member_answers_where_the_vote_is_not_better(of):
    part = fitted(Guarded(of=of), SKEWED)
    found = shares(part, ["x", "y", "y"])
    assert found.leaders() == ((0,),)
    assert dict(found.why)["guard"] == "member"
    assert dict(found.why)["member"] == "A"
    (note,) = part.notes(part.fitted.state)
    assert note.startswith("`guarded` lets `A` answer instead of the vote: on held-out rows")
    assert "1.000" in note


@pytest.mark.parametrize("of", [Count(), LogOdds()], ids=["count", "log_odds"])
def test_the_vote_answers_where_it_is_better(of):
    part = fitted(Guarded(of=of), BALANCED)
    found = shares(part, ["x", "x", "y", "z", "z"])
    assert dict(found.why)["guard"] == "vote"
    assert part.fitted.state.facts["held_out"]["gap"][0] > 0
    alone = fitted(of, BALANCED) if isinstance(of, LogOdds) else of
    assert found.shares == shares(alone, ["x", "x", "y", "z", "z"]).shares


def test_the_vote_answers_where_the_member_does_not():
    found = shares(fitted(Guarded(), SKEWED), [None, "y", "y"])
    assert found.leaders() == ((1, 2),)
    assert dict(found.why)["guard"] == "vote, since A has no answer"


def test_a_member_that_is_better_by_chance_leaves_the_answer_to_the_vote():
    """A has one answer more than the vote has of twelve: less than half a standard error."""
    rows = [["a", "b", "b"]] * 6 + [["b", "a", "a"]] * 5 + [["a", "a", "a"]]
    table = table_of(rows, ["a"] * 12)
    assert fitted(Guarded(), table).fitted.state.facts["use"] == "vote"
    assert fitted(Guarded(margin=0), table).fitted.state.facts["use"] == "member"


def test_an_equal_vote_leaves_the_answer_to_the_member():
    part = fitted(Guarded(), table_of([["a", "a", "b"]] * 6, ["a"] * 6))
    assert part.fitted.state.facts["use"] == "member"

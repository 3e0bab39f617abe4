"""Votes, by hand."""

import asyncio
from dataclasses import replace

import pytest

from composer.methods import First, Medoid, Numeric, PartError, Surest
from composer.steps.branching import choose_many
from composer.steps.voting import vote as vote_step
from composer.values import Candidates, Decision


def vote(answers, **options):
    """Run the step to its end."""
    return asyncio.run(vote_step(answers, **options))


def test_the_answer_of_most_wins(answers, ask):
    winner = vote(answers("a", "b", "a"), ask=ask)
    assert (winner.text, winner.source) == ("a", "A")
    assert dict(winner.tally) == pytest.approx({"a": 2 / 3, "b": 1 / 3})
    assert ask.notes == {"tally": dict(winner.tally), "winner": "A"}


def test_case_and_spaces_do_not_count(answers, ask):
    assert dict(vote(answers(" Paris.", "paris", "rome"), ask=ask).tally)[
        "Paris."
    ] == pytest.approx(2 / 3)


def test_weights_decide(answers, ask):
    assert vote(answers("a", "b"), weights=(1, 3), ask=ask).text == "b"
    assert dict(vote(answers("a", "b"), weights=(1, 3), ask=ask).tally) == {"b": 0.75, "a": 0.25}


def test_a_weight_of_nothing_has_no_say(answers, ask):
    assert dict(vote(answers("a", "b", "b"), weights=(1, 0, 0), ask=ask).tally) == {"a": 1.0}


def test_abstentions_do_not_vote(answers, text, ask):
    silent = text("?", "D", extracted=True)
    given = answers("a", "b")
    given = Candidates(given.query, (silent, silent, *given.texts[:1]))
    assert dict(vote(given, ask=ask).tally) == {"a": 1.0}


def test_nobody_voting_is_a_mistake(answers, text, ask):
    silent = Candidates(answers("a").query, (text("?", extracted=True),) * 2)
    with pytest.raises(PartError) as caught:
        vote(silent, ask=ask)
    assert caught.value.code == "E705"


def test_as_many_weights_as_answers(answers, ask):
    with pytest.raises(PartError) as caught:
        vote(answers("a", "b"), weights=(1,), ask=ask)
    assert caught.value.code == "E403"


def test_ties_go_to_the_first_the_surest_or_by_luck(answers, ask):
    given = answers("a", "b")
    assert vote(given, ties=First(), ask=ask).text == "a"
    sure = Candidates(given.query, (given.texts[0], replace(given.texts[1], confidence=0.5)))
    assert vote(sure, ties=Surest(), ask=ask).text == "b"
    assert {vote(given, ask=ask).text for _ in range(20)} == {"a", "b"}


def test_agreement_may_be_by_number(answers, ask):
    assert vote(answers("5", "it is 7.0", "7"), by=Numeric(), ask=ask).text == "it is 7.0"


def test_the_medoid_is_closest_to_all(answers, ask):
    assert vote(answers("x", "y", "y"), reduce=Medoid(), ask=ask).text == "y"


def test_a_soft_vote_counts_shares(answers, ask):
    inner = vote(answers("a", "b", "b"), soft=True, ask=ask)
    other = vote(answers("a"), soft=True, ask=ask)
    both = Candidates(inner.query, (inner, other))
    assert dict(vote(both, soft=True, ask=ask).tally) == pytest.approx({"a": 2 / 3, "b": 1 / 3})
    assert dict(vote(both, ask=ask).tally) == {"b": 0.5, "a": 0.5}


def test_the_winner_of_a_soft_vote_is_an_answer_that_somebody_gave(answers, ask, text):
    inner = vote(answers("a", "b", "b"), soft=True, ask=ask)
    both = Candidates(inner.query, (inner, text("a", "Z", confidence=0.9)))
    winner = vote(both, soft=True, ask=ask)
    assert (winner.text, winner.source, winner.confidence) == ("a", "A", None)


def test_a_hard_winner_is_one_voice_in_a_soft_vote(answers, ask, text):
    hard = vote(answers("a", "b", "b"), ask=ask)
    tally = vote(Candidates(hard.query, (hard, text("a"), text("a"))), soft=True, ask=ask).tally
    assert dict(tally) == pytest.approx({"a": 2 / 3, "b": 1 / 3})


def test_an_answer_that_was_read_out_afterwards_is_one_voice(answers, ask, text):
    soft = vote(answers("so 7", "so 8", "so 7"), soft=True, ask=ask)
    read = replace(soft, value="7", extracted=True)
    tally = vote(Candidates(soft.query, (read, text("8"))), soft=True, ask=ask).tally
    assert dict(tally) == {"7": 0.5, "8": 0.5}


def test_a_routed_vote_counts_by_the_route(run, ask, branch, query, text):
    decision = Decision(query, {"A": 0.4, "B": 0.35, "C": 0.25, "D": 0.0}, many=True)
    branches = branch(text("a")), branch(text("b")), branch(text("b")), branch(text("a"))
    given = run(choose_many(decision, *branches, names=tuple("ABCD"), ask=ask))
    winner = vote(given, routed=True, ask=ask)
    assert winner.text == "b"
    assert dict(winner.tally) == pytest.approx({"b": 0.6, "a": 0.4})


def test_a_routed_vote_needs_a_route(answers, ask):
    with pytest.raises(PartError, match="has no routing weight") as caught:
        vote(answers("a", "b"), routed=True, ask=ask)
    assert caught.value.code == "E403"


def test_a_vote_notes_who_abstained_and_what_each_vote_weighed(answers, ask, text):
    given = answers("a", "b")
    three = Candidates(given.query, (*given.texts, text("?", "C", extracted=True)), ("A", "B", "C"))
    vote(three, weights=(1, 3, 2), ask=ask)
    assert ask.notes["abstained"] == ["C"]
    assert ask.notes["ballots"] == {"A": 1, "B": 3, "C": 2}

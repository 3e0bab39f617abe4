"""A vote that stops early: the winner of the full vote, from fewer calls."""

import asyncio
import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from composer.methods import Decided, First, PartError, Seeded, Standing
from composer.steps.branching import bank, choose_many
from composer.steps.polling import poll
from composer.steps.voting import vote
from composer.values import Candidates, Decision, MissingAnswer, ModelError
from composer.values.gather import attempt

NAMES = tuple("ABCDEFGH")
VALUES = ("5", "6", " 5.", "7", None, "fails")
"""Answers: two spellings of one, an abstention, a failure."""


@pytest.fixture
def branches(branch, text):
    """Make branches that answer, abstain (None) or fail, or give several answers (a tuple)."""

    def value(said, name):
        if isinstance(said, tuple):
            return Candidates(text("").query, tuple(value(each, name) for each in said))
        if said == "fails":
            return ModelError("E701", f"{name} failed")
        return text(f"so {said}", name, value=said, extracted=True)

    return lambda *said: tuple(
        branch(value(each, name), name) for each, name in zip(said, NAMES, strict=False)
    )


def in_turn(query, branches, ask, **options):
    """Vote over branches in turn; return the winner."""
    sizes = tuple(
        len(each.value.texts) if isinstance(each.value, Candidates) else 1 for each in branches
    )
    names = NAMES[: len(branches)]
    return asyncio.run(poll(query, *branches, names=names, sizes=sizes, ask=ask, **options))


async def at_once(branches, ask, min, **options):  # noqa: A002 - the word of the language
    """Vote over all branches."""
    given_ = [await attempt(each.name, each()) for each in branches]
    names = NAMES[: len(branches)]
    sizes = [1 if not isinstance(b.value, Candidates) else len(b.value.texts) for b in branches]
    given_ = [
        replace(each, count=size) if isinstance(each, MissingAnswer) else each
        for each, size in zip(given_, sizes, strict=True)
    ]
    several = bank(*given_, names=names, min=min)
    return await vote(several, ask=ask, **options)


def outcome(work):
    """Return the winner, or the code of the failure."""
    try:
        winner = work()
    except (ModelError, PartError) as error:
        return error.code
    return winner.text, winner.source, winner.answer


one = st.sampled_from(VALUES)
several = st.lists(st.sampled_from(VALUES[:-1]), min_size=2, max_size=3).map(tuple)
weight = st.sampled_from([0.0, 0.1, 0.2, 0.3, 1.0, 2.5, float("inf")])


hows = st.fixed_dictionaries(
    {
        "ties": st.sampled_from([Seeded(), First()]),
        "min": st.sampled_from(["most", 1, 3]),
        "until": st.integers(1, 3).map(lambda batch: Decided(batch=batch)),
    }
)


@given(st.lists(one | one | several, min_size=1, max_size=8), hows, st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_winner_is_that_of_the_full_vote(branches, query, said, how, data):
    """Whatever comes: weights, abstentions, failures, ties, branches of several answers."""
    count = sum(len(each) if isinstance(each, tuple) else 1 for each in said)
    how["weights"] = data.draw(st.none() | st.tuples(*[weight] * count))
    seed, asked = data.draw(st.integers(0, 9)), branches(*said)
    early = outcome(lambda: in_turn(query, asked, Ask(seed), **how))
    whole = outcome(lambda: asyncio.run(at_once(branches(*said), Ask(seed), **how)))
    assert early == whole
    assert all(each.runs <= 1 for each in asked)


class Ask:
    """Gives a step its random numbers, and remembers its notes."""

    def __init__(self, seed=0):
        self.rng, self.notes = random.Random(seed), {}

    def note(self, **facts):
        self.notes.update(facts)


def test_those_that_cannot_change_the_winner_are_not_asked(branches, query):
    asked, ask = branches("5", "5", "6", "5", "5"), Ask()
    assert in_turn(query, asked, ask).source == "A"
    assert [each.runs for each in asked] == [1, 1, 1, 1, 0]
    assert ask.notes["asked"] == [["A", "B", "C"], ["D"]]
    assert ask.notes["saved"] == ["E"]
    assert ask.notes["tally"] == {"5": 0.75, "6": 0.25}


def test_a_possible_tie_is_no_decision(branches, query):
    asked = branches("5", "5", "6", "7")
    in_turn(query, asked, Ask())
    assert [each.runs for each in asked] == [1, 1, 1, 1]


def test_a_larger_batch_takes_fewer_turns(branches, query):
    asked, ask = branches("5", "6", "5", "6", "5", "5", "5"), Ask()
    in_turn(query, asked, ask, until=Decided(batch=3))
    assert ask.notes["asked"] == [["A", "B", "C", "D"], ["E", "F", "G"]]
    in_turn(query, branches("5", "6", "5", "6", "5", "5", "5"), ask)
    assert ask.notes["asked"] == [["A", "B", "C", "D"], ["E", "F"]]


def test_a_heavy_member_decides_as_soon_as_enough_have_answered(branches, query):
    heavy, ask = (3.0, 1.0, 1.0), Ask()
    asked = branches("5", "6", "6")
    assert in_turn(query, asked, ask, weights=heavy).answer == "5"
    assert [each.runs for each in asked] == [1, 1, 0]
    asked = branches("5", "6", "6")
    in_turn(query, asked, ask, weights=heavy, min=1)
    assert [each.runs for each in asked] == [1, 0, 0]


def test_a_failure_is_no_vote(branches, query):
    asked, ask = branches("fails", "5", "5", "6", "5"), Ask()
    in_turn(query, asked, ask)
    assert [each.runs for each in asked] == [1, 1, 1, 1, 1]
    assert "E701" in ask.notes["failed"]["A"]
    assert outcome(lambda: in_turn(query, branches("fails", "fails", "5"), Ask())) == "E716"


def test_the_branches_of_a_route_are_asked_heaviest_first(branches, query, run, ask):
    decision = Decision(query, {"A": 0.2, "B": 0.5, "C": 0.3, "D": 0.0}, many=True)
    names, sizes = tuple("ABCD"), (1,) * 4
    asked, how = branches("5", "6", "6", "5"), {"names": names, "ask": Ask()}
    winner = run(poll(decision, *asked, sizes=sizes, routed=True, **how))
    assert (winner.source, [each.runs for each in asked]) == ("B", [0, 1, 1, 0])
    whole = run(choose_many(decision, *branches("5", "6", "6", "5"), names=names, ask=ask))
    assert run(vote(whole, routed=True, ask=Ask())).source == "B"


def test_a_route_that_takes_another_number_of_branches_has_no_weights_for_them(branches, query):
    decision = Decision(query, {"A": 0.6, "B": 0.4, "C": 0.0}, many=True)
    asked = branches("5", "6", "6")
    assert outcome(lambda: in_turn(decision, asked, Ask(), weights=(1.0, 2.0, 3.0))) == "E403"


def test_rounding_makes_no_decision():
    assert not Standing((0.1 + 0.2,), (0.3,)).decided
    assert Standing((0.4,), (0.3,)).decided
    assert not Standing((-0.4,), (0.3,)).decided

"""Routes over conversations: a draw for each turn, or one decision for all of them."""

from composer.methods import Chance, Length, Uniform
from composer.steps.routing import conversation_opening, route
from composer.values import Query

TURNS = ("Hello", "And then? " * 40, "Why?", "Go on.", "What else?", "More, please.")
KNOWN = {"names": ("A", "B"), "aliases": ((), ()), "prices": (None, None)}


def turn(count, first="Hello"):
    said = [("system", "Be brief."), ("user", first)]
    for question in TURNS[1:count]:
        said += [("assistant", "..."), ("user", question)]
    return Query(tuple(said))


def chosen(run, ask, count, **options):
    ask.rng.seed(0)
    return run(route(turn(count), **options, **KNOWN, ask=ask)).chosen


def test_blending_draws_anew_for_each_turn(run, ask):
    draws = {"by": Uniform(), "policy": Chance()}
    found = [chosen(run, ask, count, **draws) for count in range(1, 7)]
    assert set(found) == {("A",), ("B",)}
    assert found == [chosen(run, ask, count, **draws) for count in range(1, 7)]


def test_a_sticky_route_draws_once_for_a_conversation(run, ask):
    draws = {"by": Uniform(), "policy": Chance(), "sticky": True}
    assert len({chosen(run, ask, count, **draws) for count in range(1, 7)}) == 1


def test_sticky_conversations_do_not_all_go_the_same_way(run, ask):
    draws = {"by": Uniform(), "policy": Chance(), "sticky": True, **KNOWN}
    openings = [turn(3, first=f"Question {n}") for n in range(20)]
    assert len({run(route(each, **draws, ask=ask)).chosen for each in openings}) == 2


def test_a_sticky_route_estimates_by_the_first_question(run, ask):
    by = {"by": Length(threshold=100)}
    assert chosen(run, ask, 2, **by) == ("B",)
    assert chosen(run, ask, 2, sticky=True, **by) == ("A",)


def test_the_opening_ends_with_the_first_question():
    assert conversation_opening(turn(4)) == turn(1)
    assert conversation_opening(Query(())) == Query(())

"""Banks, choices and fallbacks, by hand."""

import pytest

from composer.steps.branching import bank, choose, choose_many, fallback
from composer.values import Decision, Ranking


def test_candidates_are_spliced_into_a_bank(text, answers):
    gathered = bank(text("x"), answers("a", "b"), text("y"), names=("X", "many", "X"))
    assert [each.text for each in gathered.texts] == ["x", "a", "b", "y"]
    assert gathered.names == ("X", "many.A", "many.B", "X#2")


def test_a_ranking_is_spliced_in_its_order(query, text):
    ranking = Ranking(query, (text("b"), text("a")), (2.0, 1.0), ("B", "A"))
    assert bank(ranking, names=("r",)).names == ("r.B", "r.A")


def test_only_the_chosen_branch_runs(run, ask, branch, query, text):
    branches = branch(text("a")), branch(text("b"))
    decision = Decision(query, {"A": 0.0, "B": 1.0})
    said = run(choose(decision, *branches, names=("A", "B"), ask=ask))
    assert (said.text, [each.runs for each in branches]) == ("b", [0, 1])
    assert ask.notes == {"chosen": "B"}


def test_only_the_chosen_branches_run_heaviest_first(run, ask, branch, query, text):
    branches = branch(text("a")), branch(text("b")), branch(text("c"))
    decision = Decision(query, {"A": 0.2, "B": 0.0, "C": 0.8}, many=True)
    said = run(choose_many(decision, *branches, names=("A", "B", "C"), ask=ask))
    assert (said.names, [each.text for each in said.texts]) == (("C", "A"), ["c", "a"])
    assert [each.runs for each in branches] == [1, 0, 1]


def test_a_fallback_runs_what_it_needs(run, ask, branch, text):
    choices = branch(ValueError("no")), branch(text("b")), branch(text("c"))
    said = run(fallback(*choices, names=("A", "B", "C"), ask=ask))
    assert (said.text, [each.runs for each in choices]) == ("b", [1, 1, 0])
    assert ask.notes == {"failed": {"A": "[E701] ValueError: no"}}


def test_the_last_choice_may_fail(run, ask, branch):
    with pytest.raises(KeyError):
        run(fallback(branch(ValueError()), branch(KeyError()), names=("A", "B"), ask=ask))

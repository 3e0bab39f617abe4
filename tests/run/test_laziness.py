"""Nothing runs that is not needed, and what is needed runs once."""

import time

import pytest


def test_a_cascade_asks_no_stage_that_it_does_not_need(asked):
    assert asked("A -> cascade(C, B)") == ["A"]
    assert asked("B -> cascade(C, A, accept = confidence > 0.5)") == ["B", "C"]


def test_a_choice_asks_no_other_branch(asked):
    assert asked("route(by = uniform()) -> [C, A, B]", plain=True) == ["C"]
    assert asked("route(by = uniform()) -> [[C, C] -> vote(), A]", plain=True) == ["C", "C"]


def test_several_choices_ask_no_others(asked):
    recipe = "route(by = length(), policy = several(k = 2)) -> [A, B, C] -> vote()"
    assert sorted(asked(recipe)) == ["A", "B"]


def test_a_vote_asks_no_member_that_cannot_change_the_winner(asked):
    assert asked("[A, A, B] -> vote(until = decided())") == ["A"]
    assert asked("[A, B, A, C] -> vote(until = decided())") == ["A", "B", "C"]
    chosen = "route(by = random(), policy = several(k = 3)) -> [A, A, A, A]"
    assert asked(f"{chosen} -> vote(until = decided())") == ["A"]


def test_a_fallback_asks_nobody_when_the_first_answers(asked):
    assert asked("A | B") == ["A"]
    assert asked("broken | A | B") == ["broken", "A"]


def test_what_a_branch_alone_needs_is_not_made_without_it(asked):
    recipe = 'A -> cascade(prompt("""x""") -> free -> cascade(C))'
    assert asked(recipe) == ["A"]


def test_branches_that_need_the_same_do_it_once(asked):
    recipe = "let both = [free, B] -> vote()\n[both, B -> cascade(both), both] -> vote()"
    assert sorted(asked(recipe)) == ["B", "free"]


def test_work_is_done_once_for_a_value_and_a_branch(asked):
    recipe = "let d = free(temperature = 1)\n[d, A -> cascade(d, accept = false)] -> vote()"
    assert sorted(asked(recipe)) == ["A", "free"]


def test_a_branch_that_two_steps_ask_for_runs_once(asked):
    recipe = "let d = free(temperature = 1)\n"
    recipe += "[A -> cascade(d, accept = false), B -> cascade(d)] -> vote()"
    assert sorted(asked(recipe)) == ["A", "B", "free"]


def test_branches_of_a_bank_run_at_the_same_time(ready):
    ensemble = ready("[slow(top_k = 1), slow(top_k = 2), slow(top_k = 3)] -> vote()")
    began = time.perf_counter()
    ensemble("?")
    assert time.perf_counter() - began < 0.5


def test_samples_are_drawn_at_the_same_time(ready):
    ensemble = ready("sample(slow, 8) -> vote()")
    began = time.perf_counter()
    ensemble("?")
    assert time.perf_counter() - began < 1


def test_stages_of_a_cascade_run_one_after_the_other(ready):
    ensemble = ready("cascade(slow(top_k = 1), slow(top_k = 2), A, accept = false)")
    began = time.perf_counter()
    ensemble("?")
    assert time.perf_counter() - began > 0.39


@pytest.mark.parametrize("plain", [True, False])
def test_what_still_runs_when_an_answer_is_there_is_stopped(ready, plain):
    models = 'model A = fake(says = "a")\nmodel broken = fake(fails = true)\n'
    models += "model endless = fake(seconds = 1000)\n"
    ensemble = ready("([endless, broken] -> vote()) | A", models=models, plain=plain)
    began = time.perf_counter()
    assert ensemble("?").answer == "a"
    assert time.perf_counter() - began < 5


def test_models_are_made_once_for_all_queries(ready, monkeypatch):
    from composer.backends.fake import Fake

    made = []
    opening = Fake.open
    monkeypatch.setattr(Fake, "open", lambda self, name: made.append(name) or opening(self, name))
    ensemble = ready("[A, B, A] -> vote()")
    for _ in ensemble.map(["1", "2", "3"], at_once=1):
        pass
    assert sorted(made) == ["A", "B"]

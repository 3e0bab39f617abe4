"""Cascades that carry something to their next stage, on answers worked by hand."""

import json

import pytest

import composer
from composer.sandbox.process import missing_walls

in_sandbox = pytest.mark.skipif(
    bool(missing_walls()), reason=f"this system cannot hold {sorted(missing_walls())}"
)
TRIPLE = "Write a Python function triple(n), for which triple(3) == 9."


@pytest.fixture(autouse=True)
def _working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def asked(result):
    return [call.model for event in result.trace.events for call in event.asked]


@in_sandbox
def test_a_solved_question_lets_the_cheap_assistant_solve_the_next(tmp_path):
    recipe = composer.load("cascade/eco_assistant")
    with recipe.ready() as ensemble:
        first, second = ensemble(recipe.example), ensemble(TRIPLE)
    # The program of `cheap` fails its example, so the user is not asked about it.
    assert asked(first) == ["user", "cheap", "dear"]
    assert asked(second) == ["user", "cheap"]
    assert second.answer == "def triple(n): return 3 * n"
    lines = (tmp_path / "solved.jsonl").read_text().splitlines()
    assert [json.loads(line)["by"] for line in lines] == ["dear", "cheap"]


@in_sandbox
def test_without_the_store_the_dear_assistant_is_asked():
    with composer.load("cascade/eco_assistant", store="other.jsonl").ready() as ensemble:
        assert asked(ensemble(TRIPLE))[-1] == "dear"


@in_sandbox
def test_the_user_may_say_no(tmp_path):
    with composer.load("cascade/eco_assistant", content=1.01).ready() as ensemble:
        assert ensemble(TRIPLE).answer == "def triple(n): return 3 * n"
    assert not (tmp_path / "solved.jsonl").exists()


LOGIC = [
    "From left to right: true or false?",
    "From left to right: false and true?",
    "From left to right: true or true?",
    "From left to right: false and false?",
    "From left to right: false or true?",
]


@pytest.mark.parametrize(
    ("doubt", "student_answers"), [("margin", True), ("entropy", True), ("consistency", False)]
)
def test_the_student_of_a_neural_cache_answers_once_it_is_trained(doubt, student_answers):
    """Where four students must agree, one student is not enough."""
    settings = {"doubt": doubt, "first": 4, "every": 4, "store": f"{doubt}.jsonl"}
    with composer.load("cascade/neural_cache", **settings).ready() as ensemble:
        results = list(ensemble.map([*LOGIC[:4], "Is it true or true?"]))
    assert [each.answer for each in results[:4]] == ["yes", "no", "yes", "no"]
    assert [asked(each) for each in results[:4]] == [["large"]] * 4
    assert asked(results[4]) == ([] if student_answers else ["large"])


def test_a_learned_policy_picks_the_next_model_and_carries_the_last_answer():
    settings = {"shown": "{{ query }} {{ answer }}", "enough": 1, "steps": 2}
    with composer.load("cascade/der", **settings).ready() as ensemble:
        results = list(ensemble.map(["Reverse the word star.", "What is 17 plus 25?"]))
    prompts = [
        [call.prompt[-1][1] for event in each.trace.events for call in event.asked]
        for each in results
    ]
    assert all(len(each) <= 2 for each in prompts)
    (first, second) = next(each for each in prompts if len(each) == 2)
    assert second.startswith(f"{first} ")
    assert second != f"{first} "


def test_a_learned_policy_stops_after_its_steps():
    with composer.load("cascade/der", enough=1, steps=1).ready() as ensemble:
        assert len(asked(ensemble("What is 17 plus 25?"))) == 1


def test_the_tags_choose_where_a_cascade_begins_and_the_judges_where_it_ends():
    questions = [("Reverse the word star.", "reverse"), ("What is 17 plus 25?", "add")]
    queries = [composer.Query.of(text, tags=[tag]) for text, tag in questions]
    with composer.load("cascade/ema_fusion").ready() as ensemble:
        begun = [asked(ensemble(query)) for query in queries]
    assert [each[-1] for each in begun] == ["text", "maths"]
    assert all(each[:2] == ["strict", "kind"] for each in begun)
    with composer.load("cascade/ema_fusion", content=1).ready() as ensemble:
        assert asked(ensemble(queries[0]))[-1] == "large"

"""What a careful reader of the code found, held."""

import asyncio
import json

import pytest
from fusing import ask_score

import composer
from composer import ens
from composer.backends import ModelError
from composer.engine.engine import Engine
from composer.run import Failure
from composer.run.budget import RunBudget
from composer.specs import Declared
from composer.steps.ranking import named


def recorded(tmp_path, *rows):
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return f'model M = recorded("{path}", "m")\n'


def test_a_budget_refuses_after_rounding():
    async def use():
        budget = RunBudget(1.0)
        async with budget.room(0.1), budget.room(0.2):
            pass
        async with budget.room(5.0):
            pass

    with pytest.raises(Failure, match="is too small for"):
        asyncio.run(asyncio.wait_for(use(), 5))


def test_scores_are_paid_for_too(tmp_path):
    head = (
        'model F = fake("1")\nmodel G = fake("2")\nmodel A = zoo("general-1", price = [1000, 1])\n'
    )
    recipe = composer.load(head + "[F, G] -> rank(A, by = likely()) -> best()")
    with recipe.ready(budget=1e-6) as ensemble, pytest.raises(Failure, match="E709"):
        ensemble("why?")


def test_a_recording_is_booked_before_it_is_replayed(tmp_path):
    row = {"id": "1", "query": "q", "recorded": {"m": {"text": "a", "cost": 1.0}}}
    recipe = composer.load(recorded(tmp_path, row) + "M")
    with recipe.ready(budget=0.5) as ensemble, pytest.raises(Failure, match="E709"):
        ensemble("q")


def test_recordings_are_told_apart_by_id_with_a_cache_too(tmp_path):
    rows = [
        {"id": name, "query": "q", "recorded": {"m": {"text": name}}} for name in ("first", "last")
    ]
    recipe = composer.load(recorded(tmp_path, *rows) + "M")
    with recipe.ready(cache=tmp_path / "kept.sqlite") as ensemble:
        answers = [
            each.answer for each in ensemble.map([{"id": r["id"], "query": "q"} for r in rows])
        ]
    assert answers == ["first", "last"]


def test_a_recorded_nothing_abstains_in_a_vote(tmp_path):
    kept = {"answers": [None, "X", "X", "Y"]}
    row = {"id": "1", "query": "q", "recorded": {"m": kept}}
    recipe = composer.load(recorded(tmp_path, row) + "sample(M, 4) -> vote()")
    with recipe.ready() as ensemble:
        tally = ensemble("q").text.tally
    assert dict(tally) == pytest.approx({"X": 2 / 3, "Y": 1 / 3})


def test_conditions_in_python_have_no_truth():
    assert str(ens.answered == 1) == "answered == 1"
    assert str(ens.answered != 1) == "answered != 1"
    assert str(1 / ens.confidence >= 2) == "1 / confidence >= 2"
    with pytest.raises(TypeError, match="join them"):
        _ = 0.2 <= ens.confidence <= 0.8


def test_a_models_name_is_no_reserved_word():
    assert str(ens.hf("./model")) == "m_model"


def test_half_a_character_leaks_no_row():
    from composer.backends.zoo import Zoo

    member = Declared("A", Zoo(model="general-1"))
    prompt = ((("user", "What is 1 plus 1?"),),)
    with Engine(rows=2) as engine:
        for _ in range(3):
            with pytest.raises(ModelError, match="half a character"):
                ask_score(engine, member, prompt, "\ud800").result(30)
        assert ask_score(engine, member, prompt, " 2").result(30).logprobs


def test_a_number_above_the_line_is_no_choice():
    assert named("x² is best: 2", 3) == 1


@pytest.mark.parametrize("messages", [[{"role": "user"}], "hi", []])
def test_a_broken_conversation_is_refused(messages):
    with composer.load('model A = fake("x")\nA').ready() as ensemble, pytest.raises(Failure) as e:
        ensemble({"messages": messages})
    assert e.value.code == "E504"


def test_a_damaged_file_of_answers_is_named(tmp_path):
    path = tmp_path / "answers.sqlite"
    path.write_text("this is no database, whatever its name says, and long enough to tell")
    with pytest.warns(match="damaged") as told:
        assert composer.load('model A = fake("x")\nA').ready(cache=path)("?").answer == "x"
    assert str(path) in str(told[0].message)


def test_a_long_recipe_on_one_line_is_a_recipe():
    with pytest.raises(composer.Mistakes):
        composer.load("[" + ", ".join(["A"] * 400) + "] -> vote()")


@pytest.mark.parametrize("dollars", [float("nan"), float("inf"), -1.0])
def test_a_budget_is_a_number_of_dollars(dollars):
    with pytest.raises(Failure, match="E402"):
        composer.load('model A = fake("x")\nA').ready(budget=dollars)


def test_a_question_of_broken_bytes_is_refused():
    with composer.load('model A = fake("x")\nA').ready() as ensemble, pytest.raises(Failure) as e:
        ensemble("\udcff")
    assert e.value.code == "E504"


def test_the_coldest_draw_is_the_greedy_one():
    head = 'model A = zoo("general-1")\n'
    greedy = composer.load(head + "A")("Add 30 and 4.").answer
    assert composer.load(head + "A(temperature = 1e-46)")("Add 30 and 4.").answer == greedy

"""Recipes whose choice among candidates is learned from the recorded answers of the zoo."""

from pathlib import Path

import composer

AFTER = Path(__file__).parents[2] / "recipes" / "after"


def asked(name, question=None, **settings):
    recipe = composer.Recipe.load(AFTER / f"{name}.ens", settings)
    with recipe.ready() as ensemble:
        result = ensemble(question or recipe.example)
    return result, {event.op: event for event in result.trace.events}


def test_more_asks_the_larger_model_only_in_doubt():
    result, steps = asked("more")
    (stage,) = steps["cascade"].notes["stages"]
    assert (result.answer, stage["accepted"]) == ("180", True)
    assert stage["signals"]["score"] == max(steps["rank"].notes["scores"].values())
    result, steps = asked("more", doubt="1.5")
    assert steps["cascade"].notes["stages"][0]["next"] == "large"


def test_fusion_of_experts_knows_the_field_of_a_question():
    for question, expert in (("Put walk in the past tense.", "text"), ("Add 36 and 41.", "maths")):
        scores = asked("fusion_of_experts", question)[1]["rank"].notes["scores"]
        assert scores[expert] > 0.5
        assert max(scores, key=scores.get) != {"text": "maths", "maths": "text"}[expert]


def test_a_blender_writes_from_the_three_that_win_most():
    result, steps = asked("blender")
    scores = steps["rank"].notes["scores"]
    assert result.answer == "42"
    assert len(scores) == 4
    assert list(scores)[-1] == "text"


def test_urg_ranks_and_writes_by_one_model():
    result, steps = asked("urg")
    assert result.answer == "42"
    assert len(steps["rank"].notes["scores"]) == 4
    asked_models = {call.model for op in ("rank", "regenerate") for call in steps[op].asked}
    assert asked_models == {"large"}

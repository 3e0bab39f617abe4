"""The recipe of the mission: its line, its plan, its answer, and how it came about."""

from pathlib import Path

import pytest

import composer
from composer.compiler.plan import describe, make_plan
from composer.compiler.plan.placement import Device

HERE = Path(__file__).parent
MISSION = HERE.parents[1] / "recipes" / "mission.ens"


def asked(recipe, query=None):
    with recipe.ready() as ensemble:
        return ensemble(query or recipe.example)


def event(result, op):
    return next(each for each in result.trace.events if each.op == op)


@pytest.fixture(scope="module")
def answered():
    return asked(composer.load(MISSION))


def test_ends_with_the_line_to_the_letter():
    lines = MISSION.read_text(encoding="utf-8").rstrip("\n").split("\n")
    assert lines[-1] == "route -> [span_fuse(A, B, C)] -> cascade(D)"


def test_takes_its_four_models_from_the_zoo():
    statements = MISSION.read_text(encoding="utf-8").split("\n")
    assert 'use "zoo.ens" (A, B, C, D)' in statements


def test_plan(golden, monkeypatch):
    monkeypatch.chdir(MISSION.parents[1])
    recipe = composer.load("recipes/mission.ens")
    planned = make_plan(recipe.compiled, recipe.optimized, (Device("cpu"),))
    golden(HERE / "golden" / "mission.plan.txt", describe(planned.plan))


def test_answers_42(answered):
    assert answered.query == "What is 17 plus 25?"
    assert answered.answer == "42"


def test_route_weighs_the_members(answered):
    weights = event(answered, "route").notes["weights"]
    assert set(weights) == {"A", "B", "C"}
    assert sum(weights.values()) == pytest.approx(1)
    assert answered.decision == weights


def test_route_leaves_out_the_model_that_knows_only_text(answered):
    weights = event(answered, "route").notes["weights"]
    assert weights["C"] == 0
    (written,) = event(answered, "generate").asked
    assert all("C" not in span.candidates for span in written.spans)


def test_every_span_has_a_winner_among_those_that_proposed(answered):
    (written,) = event(answered, "generate").asked
    assert "".join(span.text for span in written.spans) == written.text
    for span in written.spans:
        assert span.candidates[span.winner] == span.text


def test_the_last_model_is_not_asked_where_the_answer_is_sure(answered):
    (stage,) = event(answered, "cascade").notes["stages"]
    assert stage["accepted"] is True
    assert stage["next"] is None
    assert stage["rule"] == "confidence >= 0.6"
    assert stage["signals"]["confidence"] == pytest.approx(answered.confidence)
    assert "D" not in answered.members


def test_the_last_model_is_asked_where_it_is_not_and_the_trace_says_why():
    strict = composer.Recipe.load(MISSION, {"default.cascade.accept": "confidence >= 0.9999"})
    result = asked(strict)
    (stage,) = event(result, "cascade").notes["stages"]
    assert stage["accepted"] is False
    assert stage["signals"]["confidence"] < 0.9999
    assert stage["next"] == "D"
    assert result.members["D"].calls == 1
    assert result.answer == "42"


def test_weighs_the_text_model_most_on_text():
    weights = asked(composer.load(MISSION), "What is the plural of fox?").decision
    assert weights["C"] > weights["B"]

"""Records stand in for who answers the question, not for who is asked about an answer."""

import json

import pytest

from composer.fit.cascades import table_of
from composer.fit.settings import FitSettings
from composer.recipe import Recipe

MODELS = """\
model A = fake(says = "Yes")
model B = fake(says = "live")
"""


@pytest.fixture
def table(tmp_path):
    """Return what the stages of a cascade answer, on rows with records of both models."""

    def make(text):
        records = {name: {"text": "kept", "correct": True} for name in "AB"}
        rows = [{"query": f"Question {at}?", "recorded": records} for at in range(3)]
        data = tmp_path / "rows.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        recipe = Recipe.load(MODELS + text)
        node = recipe.compiled.answer
        return node, table_of(node, FitSettings(recipe, data))

    return make


def answers(made, stage):
    return {row.state.answers[stage].text.text for row in made.rows}


def test_a_verifier_is_asked_though_the_data_have_answers_of_it(table):
    node, made = table("cascade(A, B, accept = verified(by = A, draws = 2) >= 0.5)")
    assert [answers(made, stage) for stage in (0, 1)] == [{"kept"}, {"kept"}]
    (signal,) = node.get("accept").signals()
    assert made.signal(str(signal))[:, 0].tolist() == [1.0, 1.0, 1.0]


def test_a_model_that_chooses_among_answers_is_asked_too(table):
    text = '[A, B] -> select(A, template = "Which?") -> cascade(B, accept = length > 0)'
    _, made = table(text)
    assert answers(made, 0) == {"kept"}

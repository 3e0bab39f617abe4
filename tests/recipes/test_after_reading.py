"""Recipes that read, compare and collect answers, on answers that are worked by hand."""

import json
import re
from pathlib import Path

import pytest

import composer

AFTER = Path(__file__).parents[2] / "recipes" / "after"


def answer(tmp_path, name, query="Which?", **says):
    """Return what a recipe answers when its models always say the same."""
    text = (AFTER / f"{name}.ens").read_text(encoding="utf-8")
    models = "\n".join(f"model {model} = fake(says = {json.dumps(t)})" for model, t in says.items())
    kept = re.sub(rf"^model ({'|'.join(says)}) = .*$", "", text, flags=re.MULTILINE)
    recipe = tmp_path / "recipe.ens"
    recipe.write_text(re.sub(r"^use .*$", lambda _: "", kept, flags=re.MULTILINE) + "\n" + models)
    with composer.load(recipe).ready() as ensemble:
        return ensemble(query).answer


@pytest.mark.parametrize(
    ("outputs", "kept"),
    [
        (("Paris", "paris.", "London"), "Paris"),
        (("1,000", "red", "1000"), "1,000"),
        (("the red house", "a red house stands", "red barn"), "the red house"),
        (("red", "blue", "green"), "dropped"),
        (("the red house", "a red house", "blue"), "dropped"),
    ],
)
def test_data_are_kept_by_the_rule_of_ensemble_instruct(tmp_path, outputs, kept):
    names = ("general", "general_2", "maths")
    assert answer(tmp_path, "data_consensus", **dict(zip(names, outputs, strict=True))) == kept


def test_a_stronger_model_is_asked_where_answers_are_unlike(tmp_path):
    alike = {"general": "an old house", "general_2": "an old house", "maths": "an old mouse"}
    unlike = {**alike, "general": "42", "maths": "yes"}
    name = "consensus_entropy"
    assert answer(tmp_path, name, **alike, large="large") == "an old house"
    assert answer(tmp_path, name, **unlike, large="large") == "large"


def test_ranked_lists_are_fused_by_reciprocal_ranks(tmp_path):
    lists = {"first": "a, b", "second": "b\nc", "third": "I cannot tell without more facts, sorry!"}
    assert answer(tmp_path, "ranked_lists", **lists) == '["b", "a", "c"]'

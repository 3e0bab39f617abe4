"""The JSON schema takes every recipe that the YAML reader takes, and refuses what is misspelt."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from composer.editor.schema import schema
from composer.syntax import parse, read
from composer.syntax.formatting import to_yaml

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").rglob("*.ens"))
COMMITTED = ROOT / "editors" / "recipe.schema.json"


@pytest.fixture(scope="module")
def validator():
    kept = json.loads(COMMITTED.read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(kept)
    return jsonschema.Draft7Validator(kept)


@pytest.fixture
def takes(validator):
    return lambda text: validator.is_valid(yaml.safe_load(text))


def test_the_committed_schema_is_fresh():
    kept = json.loads(COMMITTED.read_text(encoding="utf-8"))
    assert kept == json.loads(json.dumps(schema())), "compose schema > editors/recipe.schema.json"


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_shipped_recipes_in_yaml_are_taken(validator, path):
    text = to_yaml(parse(read(path)))
    errors = [
        jsonschema.exceptions.best_match([e]).message
        for e in validator.iter_errors(yaml.safe_load(text))
    ]
    assert not errors, f"{errors}\n{text}"


@pytest.mark.parametrize(
    "text",
    [
        "answer: [A, vote()]",
        "- use: {file: zoo.ens, names: [A, B as C]}\n- answer: A",
        "answer: [[A, {name: again, value: A}], {vote: }]",
        "answer: [[A, B], {vote: {by: {bleu: }, ties: first, weights: [1, 0.5]}}]",
        "answer: [A, {cascade: {of: [D], accept: 'confidence >= doubt'}}]",
        "answer: {sample: {of: A, n: k}}",
        "param: {k: {type: int, value: 3}, names: {type: 'list[str]'}}",
        "def: {layer: {parameters: [members, {n: 3}], value: [{prompt: aggregate}, members]}}",
        "model: {A: {hf: {of: [{text: org/name}], dtype: bf16, price: [1, 2]}}}",
        "default: [{generate: {temperature: 0}}, {sample: {n: 5}}]",
        "answer: {own: {whatever: 3}}",
    ],
)
def test_what_the_notation_allows_is_taken(takes, text):
    assert takes(text)


@pytest.mark.parametrize(
    "text",
    [
        "anser: A",
        "use: {names: [A]}",
        "use: {file: zoo.ens, names: [A], as: zoo}",
        "param: {k: {value: 3}}",
        "param: {k: {type: strange}}",
        "param: {not a name: {type: int}}",
        "model: {A: {hff: {path: {text: org/name}}}}",
        "model: {A: {fake: {confidence: 3}}}",
        "model: {A: {zoo: {of: [maths], dtipe: bf16}}}",
        "answer: [A, {vote: {bye: exact}}]",
        "answer: [A, {vote: {by: {knn: {}}}}]",
        "answer: [A, {sample: {n: 0}}]",
        "answer: [A, {vote: {soft: 3}}]",
        "answer: [{vote: {}, rank: {}}]",
        "default: {vote: {bye: exact}}",
    ],
)
def test_what_is_misspelt_is_refused(takes, text):
    assert not takes(text)


def test_options_say_what_they_are():
    by = schema()["definitions"]["step.vote"]["anyOf"][-1]["properties"]["by"]
    assert by["default"] == "exact()"
    assert "an agreement" in by["description"]

"""Chat templates of models in folders, as recipes name them and `check` tells of them."""

import json
import shutil
from pathlib import Path

import pytest

from composer.recipe import Mistakes, Recipe

ZOO = Path(__file__).parents[2] / "composer" / "zoo" / "models"
ALL = "{% for m in messages %}Q: {{ m.content }}{{ ' short' if short }}\nA:{% endfor %}"
NO_SYSTEM = "{% for m in messages if m.role != 'system' %}{{ m.content }}{% endfor %}"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pyproject.toml").touch()
    model = shutil.copytree(ZOO / "maths", tmp_path / "m")
    (model / "chat_template.jinja").write_text(ALL)
    (model / "generation_config.json").unlink()
    (tmp_path / "own.jinja").write_text(ALL)
    return tmp_path


def found(folder, text, name="r.ens"):
    """Return the codes and messages of a recipe."""
    (folder / name).write_text(text)
    try:
        return [
            (each.code, each.message) for each in Recipe.load(folder / name, root=folder).check()
        ]
    except Mistakes as mistakes:
        return [(each.code, each.message) for each in mistakes.diagnostics]


@pytest.mark.parametrize(
    "options",
    [
        "",
        "template = plain",
        'template = "chat"',
        'template = file("own.jinja")',
        'template_args = [short: true, depth: 2, tone: "dry"]',
        "fold_system = true, parse_special = true",
    ],
)
def test_what_is_said_of_a_template_is_taken(folder, options):
    assert found(folder, f'model A = hf("m", {options})\nA') == []


def test_the_same_in_yaml(folder):
    text = (
        'model: {A: {hf: {of: [{text: "m"}], template: {file: [{text: "own.jinja"}]}, '
        "template_args: {short: true}}}}\nanswer: A"
    )
    assert found(folder, text, "r.yaml") == []


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ('template = "tool_use"', "E409", "no chat template `tool_use`"),
        ('template = file("owm.jinja")', "E501", "owm.jinja"),
        ("template_args = [1]", "E401", "expected values by name"),
        ("template_args = [a: 1, a: 2]", "E401", "expected values by name"),
        ("template_args = 3", "E401", "expected values by name"),
        ("template_args = [a: none]", "E401", "expected `true` or `false` or a"),
        ("template_args = [shorts: true]", "E409", "has no variable `shorts`"),
        ("template = plain, template_args = [a: 1]", "E409", "so `template_args` cannot be used"),
        ('thinking = ""', "E402", "must not be an empty text"),
    ],
)
def test_what_cannot_be_is_refused(folder, options, code, said):
    [(one, message)] = found(folder, f'model A = hf("m", {options})\nA')
    assert one == code
    assert said in message


@pytest.mark.parametrize("model", ['fake("x", ', 'recorded("r.jsonl", "m", '])
def test_a_tag_of_thoughts_without_letters_is_refused(folder, model):
    (folder / "r.jsonl").write_text('{"query": "q", "recorded": {"m": {"text": "x"}}}\n')
    text = f'model A = {model}thinking = "")\nA'
    assert found(folder, text) == [("E402", "`thinking` must not be an empty text")]


def test_a_system_text_that_would_be_lost_is_a_mistake(folder):
    (folder / "m" / "chat_template.jinja").write_text(NO_SYSTEM)
    ask = 'prompt("{{ query }}", system = "Be brief.") -> '
    both = 'model A = hf("m")\nmodel B = hf("m", fold_system = true)\n'
    assert [code for code, _ in found(folder, f"{both}{ask}[A, B] -> vote()")] == ["W404", "E409"]
    assert [code for code, _ in found(folder, f"{both}[A, B] -> vote()")] == ["W404"]
    assert [code for code, _ in found(folder, f"{both}{ask}sample(A, 3) -> vote()")][-1] == "E409"


def test_several_templates_without_a_default_ask_for_a_choice(folder):
    (folder / "m" / "chat_template.jinja").unlink()
    path = folder / "m" / "tokenizer_config.json"
    several = [{"name": "rag", "template": ALL}, {"name": "tool_use", "template": ALL}]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": several}))
    [(code, message)] = found(folder, 'model A = hf("m")\nA')
    assert code == "E409"
    assert "`rag`, `tool_use`" in message
    assert found(folder, 'model A = hf("m", template = "tool_use")\nA') == []

"""A lock pins what models and data are; a run beside it refuses what has changed."""

import json

import pytest

import composer
from composer import zoo

ROW = {"id": "1", "query": "why?", "recorded": {"M": {"text": "so", "correct": True}}}


@pytest.fixture
def recipe(tmp_path):
    """A recipe over a recorded model and a copy of a zoo model, with its lock written."""
    data = tmp_path / "answers.jsonl"
    data.write_text(json.dumps(ROW) + "\n", encoding="utf-8")
    copy = tmp_path / "model"
    copy.mkdir()
    for file in zoo.folder(zoo.names()[0]).iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    path = tmp_path / "r.ens"
    path.write_text(
        'model M = recorded("answers.jsonl", "M")\nmodel L = hf("model")\nM | L\n',
        encoding="utf-8",
    )
    composer.load(path).lock()
    return path


def refused(path):
    with pytest.raises(composer.Mistakes) as caught:
        composer.load(path)("why?")
    return [(each.code, each.message) for each in caught.value.diagnostics]


def test_a_run_under_its_own_lock_answers(recipe):
    assert composer.load(recipe)("why?").answer == "so"


def test_changed_answers_are_refused(recipe):
    data = recipe.with_name("answers.jsonl")
    data.write_text(data.read_text().replace('"so"', '"no"'), encoding="utf-8")
    codes = refused(recipe)
    assert ("E506", "the file `answers.jsonl` has changed since the lock") in codes


def test_changed_weights_are_refused(recipe):
    config = recipe.with_name("model") / "config.json"
    config.write_text(config.read_text() + "\n", encoding="utf-8")
    text = "the model `L` has changed since the lock: its weights or configuration are different"
    assert refused(recipe) == [("E506", text)]


def test_a_changed_tokenizer_is_named(recipe):
    path = recipe.with_name("model") / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    tokenizer["normalizer"] = {"type": "Lowercase"}
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    assert refused(recipe)[0][1].endswith("its tokenizer is different")


def test_another_model_is_refused(recipe):
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(text.replace("M | L", "N | L").replace("model M", "model N"), "utf-8")
    assert ("E506", "the model `N` is not in the lock") in refused(recipe)


def test_a_lock_can_be_written_anew(recipe):
    data = recipe.with_name("answers.jsonl")
    data.write_text(data.read_text().replace('"so"', '"no"'), encoding="utf-8")
    composer.load(recipe).lock()
    assert composer.load(recipe)("why?").answer == "no"


def test_a_broken_lock_is_no_traceback(recipe):
    recipe.with_name("r.ens.lock").write_text("{", encoding="utf-8")
    with pytest.raises(composer.Mistakes, match="E504"):
        composer.load(recipe)("why?")


def test_a_lock_holds_no_path_of_the_machine(recipe):
    text = recipe.with_name("r.ens.lock").read_text(encoding="utf-8")
    assert str(recipe.parent) not in text


def test_a_lock_names_a_file_elsewhere_without_its_folder(tmp_path):
    data, folder = tmp_path / "elsewhere" / "answers.jsonl", tmp_path / "recipes"
    data.parent.mkdir()
    folder.mkdir()
    data.write_text(json.dumps(ROW) + "\n", encoding="utf-8")
    (folder / "r.ens").write_text(f'model M = recorded("{data}", "M")\nM\n', encoding="utf-8")
    composer.load(folder / "r.ens").lock()
    text = (folder / "r.ens.lock").read_text(encoding="utf-8")
    assert "answers.jsonl" in text
    assert str(tmp_path) not in text

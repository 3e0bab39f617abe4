import shutil
from pathlib import Path

import pytest

from composer.models.checkpoint import Checkpoint, ModelError
from composer.models.local import load

DATA = Path(__file__).parents[3] / "shared" / "data" / "models"
ZOO = Path(__file__).parents[2] / "composer" / "zoo" / "models"


def checkpoint(folder, **options):
    return Checkpoint(str(folder), folder.name, str(folder), **options)


@pytest.fixture
def stories():
    if not DATA.is_dir():
        pytest.skip("the folder shared/data is not beside this checkout")
    return DATA / "stories260K"


def test_names_do_not_tell_checkpoints_apart():
    assert Checkpoint("k", "A", "folder") == Checkpoint("k", "B", "folder")
    assert Checkpoint("k", "A", "folder") != Checkpoint("k", "A", "folder", dtype="float16")


def test_plain_prompts_begin_with_bos(stories):
    model = load(checkpoint(stories))
    ids = model.render((("user", "Once upon a time"),))
    assert ids == [1, *model.vocabulary.encode("Once upon a time")]
    assert model.raw("Once upon a time") == ids


def test_several_turns_without_template_are_paragraphs(stories):
    model = load(checkpoint(stories))
    ids = model.render((("system", "Be kind."), ("user", "Hello")))
    assert model.vocabulary.bytes_of(ids) == b" Be kind.\n\nHello"


def test_a_chat_template_is_used_if_there_is_one():
    if not (ZOO / "maths" / "model.safetensors").is_file():
        pytest.skip("the zoo has no model maths")
    model = load(checkpoint(ZOO / "maths"))
    said = (("user", "What is 1 plus 2?"),)
    assert model.vocabulary.bytes_of(model.render(said)) == b"Q: What is 1 plus 2?\nA:"
    assert model.vocabulary.bytes_of(model.render(said, "plain")) == b"What is 1 plus 2?"


def test_chat_without_a_template_is_an_error(stories):
    with pytest.raises(ModelError, match="no chat template") as caught:
        load(checkpoint(stories)).render((("user", "Hello"),), "chat")
    assert "plain" in caught.value.help


def test_a_system_turn_joins_the_users_if_the_template_refuses_it(stories):
    model = load(checkpoint(stories))
    model.tokenizer.chat_template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}"
        "{% endif %}[{{ m.content }}]{% endfor %}"
    )
    ids = model.render((("system", "Be kind."), ("user", "Hello")))
    assert model.vocabulary.bytes_of(ids) == b" [Be kind.\n\nHello]"


def test_ends_are_those_of_all_files(stories):
    assert load(checkpoint(stories)).ends == {2}


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(ModelError, match="there is no folder") as caught:
        load(checkpoint(tmp_path / "nothing"))
    assert caught.value.code == "E501"


def test_a_folder_without_safetensors_is_an_error(stories, tmp_path):
    shutil.copy(stories / "config.json", tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"never read")
    with pytest.raises(ModelError, match="holds no safetensors"):
        load(checkpoint(tmp_path))


def test_a_broken_folder_is_an_error(stories, tmp_path):
    shutil.copy(stories / "model.safetensors", tmp_path)
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(checkpoint(tmp_path))


def test_the_number_type_is_as_asked(stories):
    import torch

    assert load(checkpoint(stories)).dtype == torch.float32
    assert load(checkpoint(stories, dtype="bfloat16")).dtype == torch.bfloat16

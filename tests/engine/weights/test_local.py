import json
import shutil
from pathlib import Path

import fusing
import pytest

from composer.checkpoints import quantized
from composer.engine.rows.row import Feed
from composer.engine.rows.runner import Runner
from composer.engine.weights.local import load
from composer.specs import Chat
from composer.values import ModelError

DATA = Path(__file__).parents[4] / "shared" / "data" / "models"
ZOO = Path(__file__).parents[3] / "composer" / "zoo" / "models"


def checkpoint(folder, **options):
    return fusing.checkpoint(folder.name, folder, **options)


@pytest.fixture
def stories():
    if not DATA.is_dir():
        pytest.skip("the folder shared/data is not beside this checkout")
    return DATA / "stories260K"


def test_names_do_not_tell_weights_apart():
    one, other = (fusing.stored("k", name, "folder") for name in "AB")
    assert one.weights == other.weights
    assert one.weights != fusing.stored("k", "A", "folder", dtype="float16").weights


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
    assert model.vocabulary.bytes_of(model.render(said, Chat("plain"))) == b"What is 1 plus 2?"


def test_chat_without_a_template_is_an_error(stories):
    with pytest.raises(ModelError, match="no chat template") as caught:
        load(checkpoint(stories)).render((("user", "Hello"),), Chat("chat"))
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
    with pytest.raises(ModelError, match="contains no safetensors"):
        load(checkpoint(tmp_path))


def test_a_broken_folder_is_an_error(stories, tmp_path):
    shutil.copy(stories / "model.safetensors", tmp_path)
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(checkpoint(tmp_path))


def test_the_number_type_is_as_asked(stories):
    import torch

    assert load(checkpoint(stories)).dtype == torch.float32
    assert load(checkpoint(stories, dtype="bfloat16")).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"quant_method": "gptq", "bits": 4}, "optimum"),
        ({"quant_method": "awq", "bits": 4}, "gptqmodel"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "accelerate"),
        ({"quant_method": "quanto", "weights": "int8"}, "optimum"),
        ({"quant_method": "torchao"}, "torchao"),
    ],
)
def test_a_quantized_checkpoint_says_before_it_is_loaded_what_it_takes(
    monkeypatch, stories, tmp_path, settings, names
):
    folder, kind = shutil.copytree(stories, tmp_path / "copy"), settings["quant_method"]
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = settings
    (folder / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(quantized, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match=rf"is quantized \({kind}\).*{names}") as caught:
        load(checkpoint(folder))
    assert caught.value.code == "E510"
    assert "pip install" in caught.value.help


def test_a_quantized_checkpoint_shares_passes_like_any_other(stories, tmp_path):
    torchao = pytest.importorskip("torchao.quantization", reason="torchao is not installed")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, TorchAoConfig

    how = TorchAoConfig(torchao.Int8WeightOnlyConfig())
    module = AutoModelForCausalLM.from_pretrained(
        stories, dtype=torch.float32, quantization_config=how
    )
    module.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(stories).save_pretrained(tmp_path)
    model = load(checkpoint(tmp_path))
    rows = Runner(model).rows
    with torch.inference_mode():
        found = rows.forward(
            [Feed(rows.allocate(), ids, [len(ids) - 1]) for ids in ([1, 5, 6], [1, 5])]
        )
        alone = module(torch.tensor([[1, 5, 6]])).logits[0, -1]
    assert torch.allclose(found[0], alone, atol=1e-4)


OfflineModeIsEnabled = type("OfflineModeIsEnabled", (ConnectionError,), {})
RepositoryNotFoundError = type("RepositoryNotFoundError", (Exception,), {})
"""As the library of the hub calls them."""


@pytest.mark.parametrize(
    ("error", "offline", "text", "remedy"),
    [
        (OfflineModeIsEnabled("no\nline"), "1", "HF_HUB_OFFLINE is set", "unset HF_HUB_OFFLINE"),
        (OfflineModeIsEnabled("no"), "", "the hub cannot be reached", "hf download a/b"),
        (RepositoryNotFoundError("404"), "", "the hub has no such model", "hf auth login"),
        (ValueError("odd\nlines"), "", "cannot be downloaded: odd", "hf download a/b"),
    ],
)
def test_a_model_that_a_hub_does_not_give_has_one_line_and_a_remedy(
    error, offline, text, remedy, monkeypatch
):
    from composer.engine.weights.loading import refused
    from composer.specs.declaration import Weights

    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    told = refused("A", Weights("k", "a/b"), error)
    assert told.code == "E505"
    assert told.message.startswith("A (`a/b`) is not on this machine, and ")
    assert text in told.message
    assert remedy in told.help
    assert "\n" not in told.message

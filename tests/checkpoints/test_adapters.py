"""Adapters as peft saves them, read without loading: what fits, what is refused, what it says."""

import json
from pathlib import Path

import pytest
from lora import save_adapter
from safetensors.torch import load_file, save_file

from composer import zoo
from composer.backends.hf import HF
from composer.checkpoints.adapters import adapter_files, misfits
from composer.specs import Declared
from composer.specs.digest import digest
from composer.values import ModelError

BASE = Path(zoo.folder("general-1"))
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def folder(tmp_path):
    return save_adapter(BASE, tmp_path / "maths")


def config(folder, **changes):
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def told(folder, base=BASE):
    """What is wrong with an adapter and its base."""
    try:
        return next(misfits(adapter_files(folder), base))
    except ModelError as error:
        return error


def test_its_layers_are_read_from_its_tensors(folder):
    files = adapter_files(folder)
    assert len(files.added) == 12
    assert (files.rank, files.base, files.whole) == (4, "general-1", {})
    assert files.parameters == 4 * 4 * (96 + 96 + 96 + 96 + 256 + 96)
    assert list(misfits(files, BASE)) == []


@pytest.mark.parametrize(
    ("options", "scale"),
    [
        ({}, 2.0),
        ({"use_rslora": True}, 4.0),
        ({"lora_alpha": 2}, 0.5),
        ({"alpha_pattern": {"q_proj": 20}}, 5.0),
        ({"alpha_pattern": {"layers.0.self_attn.q_proj": 20}}, 5.0),
        ({"alpha_pattern": {"proj": 20}}, 2.0),
    ],
)
def test_the_scale_is_that_of_peft(folder, options, scale):
    config(folder, **options)
    assert adapter_files(folder).added["model.layers.0.self_attn.q_proj"].scale == scale


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"peft_type": "IA3"}, "of the type IA3"),
        ({"peft_type": None}, "no `peft_type`"),
        ({"use_dora": True}, "`use_dora`"),
        ({"bias": "all"}, "`bias = all`"),
        ({"init_lora_weights": "pissa_niter_4"}, "also changes the weights of its base"),
        ({"target_parameters": ["experts"]}, "`target_parameters`"),
        ({"layer_replication": [[0, 2]]}, "`layer_replication`"),
        ({"trainable_token_indices": [3]}, "`trainable_token_indices`"),
    ],
)
def test_another_kind_of_adapter_is_refused_by_its_name(folder, changes, part):
    config(folder, **changes)
    error = told(folder)
    assert (error.code, part in error.message) == ("E515", True)
    assert "peft" in error.help


def test_a_rank_that_the_tensors_do_not_have_is_refused(folder):
    config(folder, r=8)
    assert "says rank 8" in told(folder).message


def test_half_of_a_pair_is_refused(folder):
    tensors = load_file(folder / WEIGHTS)
    del tensors["base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"]
    save_file(tensors, folder / WEIGHTS)
    assert "has no lora_B" in told(folder).message


def test_a_tensor_of_another_name_is_refused(folder):
    tensors = load_file(folder / WEIGHTS)
    tensors["base_model.model.layer.hada_w1_a"] = next(iter(tensors.values())).clone()
    save_file(tensors, folder / WEIGHTS)
    assert "hada_w1_a" in told(folder).message


def test_pickled_weights_are_refused(folder):
    (folder / WEIGHTS).rename(folder / "adapter_model.bin")
    assert "pickled" in told(folder).message


def test_a_folder_without_a_configuration_is_refused(folder):
    (folder / "adapter_config.json").unlink()
    assert "has no adapter_config.json" in told(folder).message


def test_an_adapter_of_another_base_does_not_fit(folder):
    error = told(folder, zoo.folder("large"))
    assert error.code == "E515"
    assert "is 160 x 416 in the base and 96 x 256 in the adapter" in error.message
    assert "does not have" in told(folder, zoo.folder("other")).message


def test_an_adapter_with_another_tokenizer_does_not_fit(folder):
    for file in Path(zoo.folder("other")).glob("tokenizer.json"):
        (folder / file.name).write_bytes(file.read_bytes())
    assert "tokenizer" in told(folder).message


def test_the_card_counts_base_and_adapter(folder):
    base = HF(path=str(BASE), dtype="fp16").card()
    card = HF(path=str(BASE), dtype="fp16", adapter=str(folder)).card()
    own = adapter_files(folder).parameters
    assert (card.parameters - base.parameters, card.bytes - base.bytes) == (own, 2 * own)
    assert card.other_base == ""


def test_an_adapter_that_names_another_base_is_doubted(folder):
    config(folder, base_model_name_or_path="acme/general-7")
    assert HF(path=str(BASE), adapter=str(folder)).card().other_base == "acme/general-7"


def test_identity_and_digest_depend_on_the_adapter(folder, tmp_path):
    other = save_adapter(BASE, tmp_path / "other", seed=1)
    models = [
        Declared("A", HF(path=str(BASE), adapter=each)) for each in (None, str(folder), str(other))
    ]
    assert len({model.identity for model in models}) == 3
    assert len({digest(model) for model in models}) == 3
    assert len({model.weights.shared for model in models}) == 1


def test_the_names_of_an_adapted_model_in_data_are_those_of_its_adapter(folder):
    assert HF(path=str(BASE), adapter=str(folder)).aliases == ("maths", str(folder))


def test_an_adapter_that_is_named_as_a_model_is_refused_with_what_to_write(folder):
    with pytest.raises(ModelError, match=r"no config.json") as told:
        HF(path=str(folder)).card()
    assert "adapter = " in told.value.help

"""Weights that are not those of the class in config.json are refused, by name, before loading."""

import json
import subprocess
import sys

import fusing
import pytest
import torch
from folders import copied, restate, reweigh

import composer
from composer.checkpoints.expected import unlike
from composer.checkpoints.faults import faults_of
from composer.engine.weights.local import load
from composer.specs.headers import TensorHeader, tensors_of
from composer.values import ModelError

RECIPE = 'model M = hf("model")\nM\n'


@pytest.fixture
def folder(tmp_path):
    return copied(tmp_path)


def fault(folder):
    (error,) = faults_of(folder)
    assert error.code == "E505"
    return error


def without(*names):
    return lambda tensors: {k: v for k, v in tensors.items() if not k.startswith(names)}


def test_weights_that_fit_have_no_fault(folder):
    assert faults_of(folder) == ()


def test_an_untied_model_without_a_head_is_named(folder):
    restate(folder, tie_word_embeddings=False)
    assert "lacks 1 tensor: lm_head.weight" in fault(folder).message


def test_a_class_that_is_untied_by_default_needs_its_head(folder):
    restate(folder, without=["tie_word_embeddings"])
    assert "lm_head.weight" in fault(folder).message


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module."])
def test_names_under_a_wrapper_are_told_with_the_way_out(folder, prefix):
    reweigh(folder, lambda tensors: {f"{prefix}{k}": v for k, v in tensors.items()})
    error = fault(folder)
    assert f"{prefix}model.embed_tokens.weight" in error.message
    assert f"remove `{prefix}` from the names" in error.help


def test_weights_of_whole_numbers_without_a_scale_are_refused(folder):
    name = "model.layers.0.mlp.up_proj.weight"
    reweigh(folder, lambda tensors: tensors | {name: tensors[name].to(torch.int8)})
    assert f"a weight of whole numbers, such as {name}" in fault(folder).message


def test_a_layer_that_is_left_out_is_named(folder):
    reweigh(folder, without("model.layers.3."))
    message = fault(folder).message
    assert "lacks 9 tensors: model.layers.3.input_layernorm.weight" in message
    assert "and 5 more" in message


@pytest.mark.parametrize(
    "name", ["model.norm.weight", "model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight"]
)
def test_one_tensor_that_is_left_out_is_named(folder, name):
    reweigh(folder, without(name))
    assert f"lacks 1 tensor: {name}" in fault(folder).message


def test_a_tensor_that_the_class_does_not_read_is_named(folder):
    name = "model.layers.0.self_attn.q_norm.weight"
    reweigh(folder, lambda tensors: {**tensors, name: torch.ones(24)})
    error = fault(folder)
    assert f"contains 1 tensor: {name}, which this kind of model does not use" in error.message
    assert "write the class" in error.help


def test_a_tensor_of_another_shape_is_told_with_both_shapes(folder):
    restate(folder, vocab_size=400)
    assert "model.embed_tokens.weight (384 x 96 instead of 400 x 96)" in fault(folder).message


def test_tables_that_old_versions_stored_are_no_fault(folder):
    name = "model.layers.0.self_attn.rotary_emb.inv_freq"
    reweigh(folder, lambda tensors: {**tensors, name: torch.ones(12)})
    assert faults_of(folder) == ()


def test_names_without_the_base_models_are_those_of_the_base_model(folder):
    reweigh(folder, lambda t: {name.removeprefix("model."): tensor for name, tensor in t.items()})
    assert faults_of(folder) == ()


def test_a_tied_model_may_hold_its_head_as_well(folder):
    reweigh(folder, lambda t: {**t, "lm_head.weight": t["model.embed_tokens.weight"].clone()})
    assert faults_of(folder) == ()


def test_biases_of_another_type_of_model_are_missed(folder):
    restate(folder, model_type="qwen2")
    assert "lacks 12 tensors: model.layers.0.self_attn.k_proj.bias" in fault(folder).message


def test_a_billion_layers_are_refused_at_once(folder):
    restate(folder, num_hidden_layers=10**9)
    assert "model.layers.4." in fault(folder).message


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ({"model_type": "homemade"}, "has no causal language model of type `homemade`"),
        ({"model_type": "clip"}, "has no causal language model of type `clip`"),
        ({"model_type": None}, "has no `model_type`"),
    ],
)
def test_a_type_that_transformers_does_not_read_is_told(folder, stated, told):
    restate(folder, **stated)
    assert told in fault(folder).message


def test_an_adapter_is_not_taken_for_its_model(folder):
    restate(folder, "adapter_config.json", base_model_name_or_path="someone/else")
    assert "contains an adapter" in fault(folder).message


def test_weights_of_another_name_are_told(folder):
    (folder / "model.safetensors").rename(folder / "weights.safetensors")
    assert "has no model.safetensors, only files with other names" in fault(folder).message


def test_tensors_that_only_the_index_knows_are_named(folder):
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    places = dict.fromkeys([*tensors_of(folder), "model.extra"], "model-1.safetensors")
    restate(folder, "model.safetensors.index.json", weight_map=places, metadata={})
    assert "lists tensors that are in no file: model.extra" in fault(folder).message


def test_an_index_without_its_metadata_is_told(folder):
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    places = dict.fromkeys(tensors_of(folder), "model-1.safetensors")
    restate(folder, "model.safetensors.index.json", weight_map=places)
    assert "has no `metadata`" in fault(folder).message


@pytest.mark.parametrize(
    "stated", [{"hidden_size": "96"}, {"mlp_bias": 0}, {"pad_token_id": 0.5}, {"hidden_act": None}]
)
def test_a_value_of_a_type_that_the_class_does_not_take_is_told(folder, stated):
    restate(folder, **stated)
    (name,) = stated
    assert f"config.json` says that `{name}` is" in fault(folder).message


def test_a_folder_without_any_tokenizer_is_told(folder):
    (folder / "tokenizer.json").unlink()
    assert "has no tokenizer" in fault(folder).message


def test_a_tokenizer_that_its_library_does_not_read_is_told_at_check(folder):
    restate(folder, "tokenizer.json", normalizer=5)
    assert "not a tokenizer that the library `tokenizers` can read" in fault(folder).message


def test_check_points_to_the_model_and_imports_nothing_heavy(folder):
    restate(folder, tie_word_embeddings=False)
    (folder.parent / "r.ens").write_text(RECIPE)
    code = (
        "import sys, composer\n"
        "try:\n    composer.load('r.ens').plan()\n"
        "except composer.Mistakes as found:\n    each = found.diagnostics[0]\n"
        "    print(each.code, each.place.line if hasattr(each.place, 'line') else '')\n"
        "print({'torch', 'transformers', 'numpy'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("E505")
    assert done.stdout.endswith("set()\n")


def test_a_model_with_a_fault_is_not_loaded(folder):
    reweigh(folder, without("model.norm"))
    with pytest.raises(ModelError, match=r"cannot be loaded: .* lacks 1 tensor: model.norm") as no:
        load(fusing.checkpoint("m", folder))
    assert no.value.code == "E505"


def test_what_the_source_leaves_open_the_loader_finds(folder, monkeypatch):
    reweigh(folder, without("model.norm"))
    monkeypatch.setattr("composer.checkpoints.faults.unlike", lambda *_: None)
    with pytest.raises(ModelError, match=r"lacks 1 tensor: model.norm.weight"):
        load(fusing.checkpoint("m", folder))


def test_experts_that_are_stacked_when_loaded_are_no_fault(folder):
    config = {"num_hidden_layers": 1, "vocab_size": 9, "hidden_size": 4, "num_local_experts": 2}
    made = [f"model.layers.0.block_sparse_moe.experts.{n}.w1.weight" for n in range(2)]
    sides = [f"model.layers.0.self_attn.{side}_proj.weight" for side in "qkvo"]
    stored = {name: TensorHeader("F32", (), 4) for name in (*made, *sides)}
    kind, missing, odd, _ = unlike("mixtral", config, stored)
    assert (kind, odd) == ("MixtralForCausalLM", [])
    assert missing == ["model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["GPT2", "Llama", "Qwen2", "Gemma2", "Mixtral", "OPT", "Bloom"])
def test_what_transformers_saves_has_no_fault_and_each_tensor_is_missed(kind, tmp_path):
    import transformers

    sizes = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = getattr(transformers, f"{kind}Config")(**sizes)
    for name in ("intermediate_size", "ffn_dim", "word_embed_proj_dim", "head_dim"):
        if hasattr(config, name):
            setattr(config, name, 8 if name == "head_dim" else 32)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    stated, stored = json.loads((tmp_path / "config.json").read_text()), tensors_of(tmp_path)
    assert unlike(config.model_type, stated, stored)[1:] == ([], [], [])
    for left in stored:
        if "experts" not in left:
            rest = {name: each for name, each in stored.items() if name != left}
            assert unlike(config.model_type, stated, rest)[1] or kind == "Mixtral"


def test_a_recipe_is_checked_again_when_its_weights_are_mended(folder):
    (folder.parent / "r.ens").write_text(RECIPE)
    restate(folder, tie_word_embeddings=False)
    with pytest.raises(composer.Mistakes):
        composer.load(folder.parent / "r.ens").plan()
    restate(folder, tie_word_embeddings=True)
    assert composer.load(folder.parent / "r.ens").plan()

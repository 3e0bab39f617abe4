"""Stacks: which layer of whom each layer is, and what is refused."""

import json
import shutil

import pytest
import torch
from fusing import checkpoint
from safetensors.torch import load_file, save_file

from composer import zoo
from composer.backends.zoo import Zoo
from composer.engine.weights.building import built
from composer.specs import Declared, SpecError, Stack
from composer.specs.headers import read_json
from composer.values import ModelError

LOWER = "model.layers.{}.mlp.up_proj.weight"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of the test's own, where stacks are built."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def stack(*pairs):
    donors = tuple(
        Declared(each, Zoo(model=each)) if isinstance(each, str) else each for each, _ in pairs
    )
    names = tuple(donor.name for donor in donors)
    return Stack(donors, names, tuple(ranges for _, ranges in pairs))


def problem(*pairs):
    with pytest.raises(SpecError) as raised:
        stack(*pairs)
    (found,) = raised.value.problems
    return found


def copy(folder, **config):
    shutil.copytree(zoo.folder("maths"), folder)
    stated = read_json(folder / "config.json") | config
    (folder / "config.json").write_text(json.dumps(stated))
    return checkpoint(folder.name, folder)


def test_layers_follow_one_another_from_below():
    model = stack(("maths", "0-2"), ("text", "3"), ("maths", "1-2"))
    assert model.path == ((0, 0), (0, 1), (0, 2), (1, 3), (2, 1), (2, 2))
    made = load_file(built(model) / "model.safetensors")
    maths, text = (load_file(zoo.folder(n) / "model.safetensors") for n in ("maths", "text"))
    for to, (donor, layer) in enumerate(model.path):
        whose = text if donor == 1 else maths
        assert torch.equal(made[LOWER.format(to)], whose[LOWER.format(layer)])
    assert LOWER.format(6) not in made


def test_what_is_below_comes_from_the_first_and_what_is_above_from_the_last():
    made = load_file(built(stack(("maths", "0-1"), ("text", "2-3"))) / "model.safetensors")
    maths, text = (load_file(zoo.folder(n) / "model.safetensors") for n in ("maths", "text"))
    for name, whose in (("model.embed_tokens.weight", maths), ("model.norm.weight", text)):
        assert torch.equal(made[name], whose[name])


def test_a_stack_of_all_layers_of_one_model_is_that_model():
    made = load_file(built(stack(("maths", "0-1"), ("maths", "2-3"))) / "model.safetensors")
    wanted = load_file(zoo.folder("maths") / "model.safetensors")
    assert made.keys() == wanted.keys()
    assert all(torch.equal(made[name], each) for name, each in wanted.items())


def test_transformers_loads_a_higher_model():
    from transformers import AutoModelForCausalLM

    model = stack(("maths", "0-2"), ("text", "1-3"))
    module = AutoModelForCausalLM.from_pretrained(built(model))
    assert module.config.num_hidden_layers == len(module.model.layers) == 6
    assert sum(each.numel() for each in module.parameters()) == model.card.parameters


def test_lists_of_layers_in_the_configuration_follow(tmp_path):
    kinds = ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]
    donor = copy(tmp_path / "windows", model_type="qwen2", layer_types=kinds, sliding_window=16)
    folder = built(stack((donor, "1"), (donor, "0-1"), (donor, "3")))
    assert read_json(folder / "config.json")["layer_types"] == [kinds[n] for n in (1, 0, 1, 3)]


def test_layers_that_are_told_by_numbers_are_refused(tmp_path):
    donor = copy(tmp_path / "experts", model_type="qwen2_moe", mlp_only_layers=[1])
    with pytest.raises(ModelError, match=r"`mlp_only_layers` in its config\.json tells by numbers"):
        built(stack((donor, "0-1")))


@pytest.mark.parametrize("text", ["", "a", "3-", "3-1", "-1", "0..2", "1.5"])
def test_what_is_no_range_is_refused(text):
    found = problem(("maths", text))
    assert (found.code, found.field) == ("E402", "layers")
    assert f"`{text}` is no range of layers" in found.message


def test_a_layer_that_is_not_there_is_refused():
    found = problem(("maths", "0-3"), ("text", "2-4"))
    assert (found.code, found.field) == ("E403", "layers")
    assert found.message == "`text` has no layer 4: it has 4 layers, 0 to 3"


def test_layers_of_another_size_are_refused():
    assert (problem(("maths", "0-1"), ("large", "0-1")).code) == "E306"


def test_a_layer_of_another_kind_is_refused(tmp_path):
    donor = copy(tmp_path / "odd")
    held = load_file(tmp_path / "odd" / "model.safetensors")
    held["model.layers.0.extra.weight"] = torch.zeros(2)
    save_file(held, tmp_path / "odd" / "model.safetensors")
    found = problem((donor, "0-2"))
    assert found.message == "layer 1 of `odd` is of another kind than the lowest"


def test_as_many_ranges_as_members():
    donor = Declared("maths", Zoo(model="maths"))
    with pytest.raises(SpecError, match="1 member, but 2 ranges of layers"):
        Stack((donor,), ("maths",), ("0", "1"))

"""Donors with adapters: their tensors are W + s B A, made when they are read."""

from pathlib import Path

import pytest
import torch
from fusing import checkpoint
from lora import save_adapter, save_merged
from safetensors.torch import load_file

from composer import zoo
from composer.engine.weights.building import built
from composer.engine.weights.donors import Donor
from composer.methods.edits.average import Average
from composer.specs import Merge
from composer.values import ModelError

BASE = Path(zoo.folder("general-1"))


@pytest.fixture(scope="module")
def adapter(tmp_path_factory):
    options = {"rank": 6, "use_rslora": True, "rank_pattern": {"v_proj": 2}, "lora_alpha": 3}
    return save_adapter(BASE, tmp_path_factory.mktemp("donor") / "adapter", **options)


def test_each_tensor_is_what_the_adapter_makes_of_it(adapter, tmp_path):
    merged = load_file(save_merged(BASE, adapter, tmp_path / "merged") / "model.safetensors")
    with Donor(BASE, adapter).open() as tensors:
        for name, expected in merged.items():
            read = tensors.read(name)
            torch.testing.assert_close(read.double(), expected.double(), rtol=1e-6, atol=1e-7)
            torch.testing.assert_close(tensors.read(name, 1, 7), read[1:7], rtol=0, atol=1e-7)


def test_a_merge_takes_the_difference_of_an_adapter(adapter, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    members = checkpoint("base", BASE), checkpoint("maths", BASE, adapter=str(adapter))
    formula = Merge(
        members, ("base", "maths"), (0.4, 0.6), Average(), normalize=False, dtype="float32"
    )
    made = load_file(built(formula) / "model.safetensors")
    base = load_file(BASE / "model.safetensors")
    whole = load_file(save_merged(BASE, adapter, tmp_path / "merged") / "model.safetensors")
    for name, tensor in made.items():
        expected = 0.4 * base[name].double() + 0.6 * whole[name].double()
        torch.testing.assert_close(tensor.double(), expected, rtol=1e-5, atol=1e-6)


def test_merges_of_unlike_adapters_are_unlike(adapter, tmp_path):
    other = save_adapter(BASE, tmp_path / "other", seed=1)
    merges = [
        Merge((checkpoint("M", BASE, adapter=str(each)),), ("M",), None, Average())
        for each in (adapter, other)
    ]
    assert len({merge.identity for merge in merges}) == 2
    assert Donor(BASE, adapter).digest != Donor(BASE, other).digest != Donor(BASE).digest


@pytest.mark.parametrize("options", [{"layers": ["embed_tokens"]}, {"whole": ["lm_head"]}])
def test_a_tied_head_cannot_be_changed_in_a_file(tmp_path, options):
    folder = save_adapter(BASE, tmp_path / "head", **options)
    with pytest.raises(ModelError, match="one matrix") as told:
        Donor(BASE, folder).open()
    assert told.value.code == "E515"


def test_a_replaced_layer_is_that_of_the_adapter(tmp_path):
    folder = save_adapter(BASE, tmp_path / "norms", whole=["layers.2.mlp.up_proj"])
    with Donor(BASE, folder).open() as tensors:
        stored = load_file(folder / "adapter_model.safetensors")
        name = "model.layers.2.mlp.up_proj.weight"
        assert torch.equal(tensors.read(name, 3, 9), stored[f"base_model.model.{name}"][3:9])

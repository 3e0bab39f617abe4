"""Merges of random checkpoints beside their formulas in float64, and beside transformers."""

import shutil

import numpy as np
import pytest
import torch
from building_tables._random_checkpoints import numbers
from building_tables.precision import CASES, LAYOUTS, SHAPES, error, members
from safetensors.torch import load_file

from composer.backends.hf import HF
from composer.engine.weights.building import build, built
from composer.engine.weights.donors import Donor
from composer.engine.weights.local import load
from composer.heavy import transformers
from composer.methods.edits.average import Average
from composer.methods.edits.dare import Dare
from composer.specs import Declared, Merge

CLOSE = 1e-6


@pytest.fixture(scope="module")
def donors(tmp_path_factory):
    """Members of each shape, in one file and in several; made when they are first wanted."""
    made = {}

    def get(shape, layout):
        if (shape, layout) not in made:
            folder = tmp_path_factory.mktemp("members")
            made[shape, layout] = members(folder, shape, split=LAYOUTS[layout])
        return made[shape, layout]

    return get


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_merges_are_their_formulas(donors, tmp_path, shape, layout):
    errors = {
        name: error(case, donors(shape, layout), tmp_path / name) for name, case in CASES.items()
    }
    assert {name: each for name, each in errors.items() if not each <= CLOSE} == {}


def soup(folders, **options):
    models = tuple(Declared(each.name, HF(path=str(each))) for each in folders)
    return Merge(models, tuple(each.name for each in models), None, Average(), **options)


@pytest.mark.parametrize(("shape", "tied"), [("llama", False), ("gpt2", True), ("tied", True)])
def test_tied_embeddings_stay_tied(donors, tmp_path, shape, tied):
    folders = donors(shape, "one file")
    build(soup(folders), [Donor(each) for each in folders], tmp_path)
    assert ("lm_head.weight" in load_file(tmp_path / "model.safetensors")) is not tied
    module = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    head, read = module.get_output_embeddings().weight, module.get_input_embeddings().weight
    assert (head.data_ptr() == read.data_ptr()) is tied


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_transformers_gives_the_logits_of_the_member(donors, tmp_path, monkeypatch, shape, layout):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    merged = soup(donors(shape, layout), dtype="float32")
    ids = torch.tensor([[5, 17, 90, 2, 301]])
    with torch.inference_mode():
        ours = load(merged).module(ids).logits
        copy = shutil.copytree(built(merged), tmp_path / "copy")
        theirs = transformers.AutoModelForCausalLM.from_pretrained(copy)(ids).logits
        by_hand = averaged(donors(shape, layout))(ids).logits
    assert torch.equal(ours, theirs)
    assert torch.allclose(ours, by_hand, rtol=1e-4, atol=1e-4 * float(by_hand.abs().max()))


def averaged(folders):
    """The mean of models as transformers loads them."""
    modules = [
        transformers.AutoModelForCausalLM.from_pretrained(each, dtype=torch.float32)
        for each in folders
    ]
    for weights in zip(*(module.parameters() for module in modules), strict=True):
        weights[0].copy_(torch.stack(weights).mean(0))
    return modules[0]


def differences(folder, edit):
    """What a merge adds to its base by an edit of one member's whole difference from it."""
    base, tuned = folder[:2]
    models = tuple(Declared(each.name, HF(path=str(each))) for each in (base, tuned))
    merge = Merge(models, ("a", "b"), (0.0, 1.0), edit, normalize=False, dtype="float32")
    made = folder[0].parent / f"made-{edit!r}"
    made.mkdir()
    build(merge, [Donor(base), Donor(tuned)], made)
    of_base, of_tuned, of_made = (numbers(each) for each in (base, tuned, made))
    names = [name for name, each in of_base.items() if each.ndim > 1]
    return {n: (of_tuned[n] - of_base[n], of_made[n] - of_base[n]) for n in names}


@pytest.mark.parametrize("density", [0.1, 0.5])
def test_dare_keeps_as_many_as_its_density_says(donors, density):
    pairs = differences(donors("llama", "one file"), Dare(density=density))
    kept = np.concatenate([(added != 0).ravel() for _, added in pairs.values()])
    assert abs(kept.mean() - density) < 4 * np.sqrt(density * (1 - density) / kept.size)


def test_dare_by_norm_keeps_the_sum_of_magnitudes(donors):
    for whole, added in differences(
        donors("llama", "one file"), Dare(density=0.3, rescale="norm")
    ).values():
        assert np.abs(added).sum() == pytest.approx(np.abs(whole).sum(), rel=1e-5)

"""Weights in several files: what is missing, cut off or of another model is named."""

import json

import pytest
import torch
from folders import copied, restate
from fusing import checkpoint
from safetensors.torch import load_file, save_file

from composer.checkpoints.faults import faults_of
from composer.engine.weights.local import load
from composer.specs.headers import INDEX
from composer.values import ModelError

SHARDS = tuple(f"model-{n}-of-3.safetensors" for n in (1, 2, 3))
HEAD = "model.layers.0.mlp.up_proj.weight"


@pytest.fixture
def folder(tmp_path):
    """A model of the zoo whose weights lie in three files, with an index."""
    folder = copied(tmp_path)
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    places = {name: SHARDS[n % 3] for n, name in enumerate(sorted(tensors))}
    for shard in SHARDS:
        part = {name: each for name, each in tensors.items() if places[name] == shard}
        save_file(part, folder / shard, metadata={"format": "pt"})
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return folder


def fault(folder):
    try:
        (error,) = faults_of(folder)
    except ModelError as raised:
        error = raised
    assert error.code == "E505"
    return error


def places(folder):
    return json.loads((folder / INDEX).read_text())["weight_map"]


def test_all_files_are_read(folder, tmp_path):
    whole = copied(tmp_path / "whole")
    ids = torch.arange(3, 40)[None]
    parts, one = (load(checkpoint("M", each)).module(ids).logits for each in (folder, whole))
    assert faults_of(folder) == ()
    assert torch.equal(parts, one)


def test_a_missing_file_is_named(folder):
    (folder / SHARDS[1]).unlink()
    assert f"1 of its 3 weight files are missing: {SHARDS[1]}" in fault(folder).message


def test_a_file_that_is_cut_off_is_named(folder):
    data = (folder / SHARDS[2]).read_bytes()
    (folder / SHARDS[2]).write_bytes(data[:-100])
    error = fault(folder)
    assert SHARDS[2] in error.message
    assert "is incomplete" in error.message


def test_a_tensor_of_the_index_that_is_in_no_file_is_named(folder):
    restate(folder, INDEX, weight_map=places(folder) | {"model.gone.weight": SHARDS[0]})
    assert "lists tensors that are in no file: model.gone.weight" in fault(folder).message


def test_a_file_of_another_model_is_named_by_its_tensors(folder):
    shard = folder / places(folder)[HEAD]
    tensors = load_file(shard)
    save_file(tensors | {HEAD: torch.zeros(3, 5)}, shard, metadata={"format": "pt"})
    assert f"{HEAD} (3 x 5 instead of" in fault(folder).message

"""Merges of models whose tokenizers differ: each token's vector is found by its text."""

import json
import shutil

import pytest
import torch
from fusing import checkpoint
from safetensors.torch import load_file, save_file

from composer import zoo
from composer.backends.zoo import Zoo
from composer.engine.weights.building import built
from composer.methods.edits.average import Average
from composer.methods.edits.ties import Ties
from composer.specs import Declared, Merge, SpecError
from composer.specs.headers import read_json

EMBEDDINGS = "model.embed_tokens.weight"
FIRST = Declared("maths", Zoo(model="maths"))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of the test's own, where merges are built."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def other(tmp_path):
    """The model `text` with an added token, and the rows of two words exchanged."""
    folder = tmp_path / "other"
    shutil.copytree(zoo.folder("text"), folder)
    stated = read_json(folder / "config.json")
    (folder / "config.json").write_text(json.dumps(stated | {"vocab_size": 385}))
    content = read_json(folder / "tokenizer.json")
    added = content["added_tokens"]
    added.append({**added[0], "id": 384, "content": "<tool>"})
    (folder / "tokenizer.json").write_text(json.dumps(content))
    held = load_file(folder / "model.safetensors")
    held[EMBEDDINGS] = torch.cat([held[EMBEDDINGS], torch.full((1, 96), 0.5).half()])
    save_file(held, folder / "model.safetensors")
    return folder


def exchange(folder, one, two):
    """Exchange the ids of two tokens, and their rows."""
    content, held = read_json(folder / "tokenizer.json"), load_file(folder / "model.safetensors")
    words = content["model"]["vocab"]
    a, b = words[one], words[two]
    words[one], words[two] = b, a
    (folder / "tokenizer.json").write_text(json.dumps(content))
    held[EMBEDDINGS][[a, b]] = held[EMBEDDINGS][[b, a]]
    save_file(held, folder / "model.safetensors")


def embeddings(model):
    return load_file(built(model) / "model.safetensors")[EMBEDDINGS].float()


def merge(folder, vocabulary, by=None, edit=None):
    donors = (FIRST, checkpoint("other", folder))
    options = {"normalize": by is None, "dtype": "float32", "vocabulary": vocabulary}
    return Merge(donors, ("maths", "other"), by, edit or Average(), **options)


def wanted():
    folders = [zoo.folder(name) for name in ("maths", "text")]
    first, second = (load_file(each / "model.safetensors")[EMBEDDINGS].float() for each in folders)
    return (first + second) / 2


def test_with_base_what_the_first_lacks_is_left_out(other):
    assert torch.allclose(embeddings(merge(other, "base")), wanted(), atol=1e-6)


def test_vectors_are_found_by_the_text_of_the_token(other):
    exchange(other, "a", "b")
    assert torch.allclose(embeddings(merge(other, "base")), wanted(), atol=1e-6)


@pytest.mark.parametrize(("by", "edit"), [(None, None), ((0.5, 0.5), Ties(density=1))])
def test_with_union_a_token_of_one_keeps_its_vector(other, by, edit):
    made = embeddings(merge(other, "union", by, edit))
    assert torch.allclose(made[:384], wanted(), atol=1e-6)
    assert made[384].tolist() == [0.5] * 96


def test_the_union_is_a_tokenizer_and_a_model_that_work(other):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = merge(other, "union")
    folder = built(model)
    ids = AutoTokenizer.from_pretrained(folder)("Add 17<tool>").input_ids
    assert ids[-1] == 384
    module = AutoModelForCausalLM.from_pretrained(folder)
    assert module(torch.tensor([ids])).logits.shape[-1] == 385
    assert module.lm_head.weight.data_ptr() == module.model.embed_tokens.weight.data_ptr()
    assert sum(each.numel() for each in module.parameters()) == model.card.parameters


def test_a_union_of_other_words_is_refused(other):
    exchange(other, "a", "b")
    with pytest.raises(SpecError, match="no tokenizer writes the tokens of both") as raised:
        merge(other, "union")
    assert (raised.value.code, raised.value.problems[0].field) == ("E306", "vocabulary")


def test_without_it_other_tokens_are_refused(other):
    with pytest.raises(SpecError, match="384 x 96 in one and 385 x 96 in the other"):
        merge(other, "same")

"""Tokenizers out of GGUF files, against the ids that the reference implementation gives."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from composer.checkpoints.fingerprint import fingerprint_of
from composer.checkpoints.gguf_tokenizers import family_of, settings_from, tokenizer_from
from composer.specs.gguf import read_gguf

DATA = Path(__file__).parents[3] / "shared" / "data"
FILES = {"llama-spm": "llama2", "phi-3": None, "gpt-2": "gpt2", "starcoder": "starcoder2"}
"""The vocabularies in GGUF, and the tokenizer.json whose fingerprint theirs must be."""

QUICK = ("llama-spm", "gpt-2")

CONVERTED = {"llama-bpe": "llama3", "qwen2": "qwen2", "deepseek-coder": "deepseek-coder"}
"""Families of which a tokenizer.json is here, and no GGUF file."""


@pytest.fixture(autouse=True)
def _data():
    if not DATA.is_dir():
        pytest.skip("the folder shared/data is not beside this checkout")


def compared(facts, name):
    """Texts of which the made tokenizer gives other ids than the reference."""
    family = family_of(facts)
    tokenizer = Tokenizer.from_str(json.dumps(tokenizer_from(facts, family)))
    path = DATA / "gold" / f"ggml-vocab-{name}.gguf"
    texts = path.with_suffix(".gguf.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
    lines = path.with_suffix(".gguf.out").read_text(encoding="utf-8").split("\n")
    pairs = list(zip(texts, ([int(i) for i in line.split()] for line in lines), strict=False))
    assert len(pairs) == 47
    return [t for t, ids in pairs if tokenizer.encode(t, add_special_tokens=False).ids != ids]


def stated(name):
    return json.loads((DATA / "tokenizers" / name / "tokenizer.json").read_text(encoding="utf-8"))


def as_facts(content, word):
    """What the converter of llama.cpp writes of a tokenizer.json."""
    added = content["added_tokens"]
    ids = content["model"]["vocab"] | {each["content"]: each["id"] for each in added}
    named = {number: token for token, number in ids.items()}
    size = max(named) + 1
    kinds = [1 if number in named else 5 for number in range(size)]
    for each in added:
        kinds[each["id"]] = 3 if each["special"] else 4
    merges = content["model"]["merges"]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": word,
        "tokenizer.ggml.tokens": [named.get(n, f"[PAD{n}]") for n in range(size)],
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": [m if isinstance(m, str) else " ".join(m) for m in merges],
    }


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in FILES],
)
def test_tokenizers_of_files_give_the_ids_of_the_reference(name):
    facts = read_gguf(DATA / "gguf" / f"ggml-vocab-{name}.gguf").facts
    assert compared(facts, name) == []
    if FILES[name] is not None:
        made = tokenizer_from(facts, family_of(facts))
        assert fingerprint_of(made) == fingerprint_of(stated(FILES[name]))


@pytest.mark.slow
@pytest.mark.parametrize("name", CONVERTED)
def test_tokenizers_of_converted_vocabularies_give_the_ids_of_the_reference(name):
    assert compared(as_facts(stated(CONVERTED[name]), name), name) == []


def test_a_real_model_has_the_tokenizer_of_its_folder():
    facts = read_gguf(DATA / "models" / "stories260K.gguf").facts
    made = tokenizer_from(facts, family_of(facts))
    theirs = json.loads((DATA / "models" / "stories260K" / "tokenizer.json").read_text())
    assert fingerprint_of(made) == fingerprint_of(theirs)
    ids = Tokenizer.from_str(json.dumps(made)).encode("Once upon a time").ids
    assert ids == Tokenizer.from_str(json.dumps(theirs)).encode("Once upon a time").ids
    assert ids[0] == 1


@pytest.mark.parametrize(
    "facts",
    [
        {"tokenizer.ggml.model": "bert"},
        {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "falcon"},
        {"tokenizer.ggml.model": "gpt2"},
        {"tokenizer.ggml.model": "llama", "tokenizer.ggml.add_space_prefix": False},
        {},
    ],
)
def test_families_that_were_not_compared_are_not_made(facts):
    assert family_of(facts) is None


def test_settings_name_tokens_and_the_template():
    facts = read_gguf(DATA / "gguf" / "ggml-vocab-phi-3.gguf").facts
    settings = settings_from(facts)
    assert (settings["bos_token"], settings["eos_token"]) == ("<s>", "<|endoftext|>")
    assert settings["chat_template"].startswith("{{ bos_token }}")

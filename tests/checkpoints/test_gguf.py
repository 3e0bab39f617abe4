"""A GGUF file as `check` and `plan` see it: its card, its tokenizer, and what is refused."""

import json
import shutil
from pathlib import Path

import pytest
from ggufs import written

import composer
from composer.backends.hf import HF
from composer.checkpoints import gguf, quantized
from composer.checkpoints.gguf import folder_of, gguf_faults, original_of
from composer.specs.gguf import GGUF_FILE, read_gguf
from composer.values import ModelError

MODELS = Path(__file__).parents[3] / "shared" / "data" / "models"
TOKENS = ["<unk>", "<s>", "</s>", "▁", "a", "▁a"]
FACTS = {
    "general.architecture": "llama",
    "llama.context_length": 64,
    "llama.block_count": 1,
    "llama.embedding_length": 32,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": TOKENS,
    "tokenizer.ggml.scores": [0.0] * 6,
    "tokenizer.ggml.token_type": [2, 3, 3, 1, 1, 1],
    "tokenizer.ggml.eos_token_id": 2,
}
TENSORS = [
    ("token_embd.weight", 0, (6, 32), bytes(768)),
    ("blk.0.attn_q.weight", 8, (32, 32), bytes(1088)),
]


@pytest.fixture
def file(tmp_path):
    """Write a file, with other facts where they are given."""

    def write(name="m.gguf", **changed):
        facts = {k: v for k, v in (FACTS | changed).items() if v is not None}
        (tmp_path / name).write_bytes(written(facts, TENSORS))
        return tmp_path / name

    return write


@pytest.fixture
def stories():
    if not MODELS.is_dir():
        pytest.skip("the folder shared/data is not beside this checkout")
    return MODELS


def test_the_card_is_read_from_the_file(file):
    card = HF(path=str(file())).card()
    assert (card.architecture, card.context, card.vocabulary_size) == ("llama", 64, 6)
    assert (card.parameters, card.bytes) == (6 * 32 + 32 * 32, 4 * (6 * 32 + 32 * 32))
    assert card.stored == "dequantized from Q8_0"
    assert card.vocabulary


def test_a_folder_with_one_file_is_that_file(file):
    path = file()
    assert HF(path=str(path.parent)).identity() == HF(path=str(path)).identity()
    assert HF(path=str(path)).key == str(path.resolve())


def test_a_folder_with_several_files_asks_for_one(file):
    path = file()
    file("n.gguf")
    with pytest.raises(ModelError, match="contains 2 GGUF files") as caught:
        HF(path=str(path.parent)).card()
    assert "m.gguf" in caught.value.help


def test_a_file_that_is_not_there_is_no_model_of_a_hub():
    with pytest.raises(ModelError, match="there is no file") as caught:
        HF(path="models/m.gguf").card()
    assert caught.value.code == "E501"


def test_content_is_that_of_the_file_wherever_it_lies(file, tmp_path):
    path, other = file(), tmp_path / "other"
    other.mkdir()
    shutil.copy(path, other / "x.gguf")
    assert HF(path=str(path)).content() == HF(path=str(other)).content()


def test_a_file_that_changes_is_another_model(file):
    before = HF(path=str(file())).content()
    assert HF(path=str(file(**{"llama.context_length": 128}))).content() != before


def test_the_folder_links_to_the_file_and_is_written_once(file, monkeypatch):
    path = file()
    folder = folder_of(path)
    assert original_of(folder) == path.resolve()
    gguf._folder.cache_clear()
    monkeypatch.setattr(gguf, "_write", None)
    assert folder_of(path) == folder


def test_a_tokenizer_beside_the_file_is_used(file):
    path = file(**{"tokenizer.ggml.model": "bert"})
    beside = {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "added_tokens": []}
    (path.parent / "tokenizer.json").write_text(json.dumps(beside))
    assert json.loads((folder_of(path) / "tokenizer.json").read_text()) == beside


@pytest.mark.parametrize(
    ("changed", "words", "help_"),
    [
        ({"tokenizer.ggml.model": "bert"}, r"\(bert\) is of a family", "tokenizer.json"),
        ({"tokenizer.ggml.model": None}, r"\(none\)", "tokenizer.json"),
        ({"split.count": 3}, "one of 3 files", "llama-gguf-split --merge"),
        ({"tokenizer.ggml.scores": [0.0]}, "describes its tokenizer wrongly", "again"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_remedy(file, changed, words, help_):
    with pytest.raises(ModelError, match=words) as caught:
        HF(path=str(file(**changed))).card()
    assert caught.value.code == "E505"
    assert help_ in caught.value.help


def test_an_architecture_that_transformers_does_not_read_is_refused(file):
    path = file(**{"general.architecture": "grok"})
    (error,) = gguf_faults(folder_of(path))
    assert "architecture `grok`" in error.message


def test_a_missing_package_is_named_by_check(file, tmp_path, monkeypatch):
    monkeypatch.setattr(quantized, "find_spec", lambda _: None)
    file()
    (tmp_path / "r.ens").write_text('model M = hf("m.gguf")\nM\n')
    with pytest.raises(composer.Mistakes) as caught:
        composer.load(tmp_path / "r.ens")
    (error,) = caught.value.diagnostics
    assert error.code == "E510"
    assert "ensemble-composer[quant]" in error.help


def test_a_cache_that_cannot_be_written_is_said(file, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    with pytest.raises(ModelError, match="cannot be kept") as caught:
        folder_of(file())
    assert "XDG_CACHE_HOME" in caught.value.help


def test_real_files_have_the_facts_of_their_folders(stories):
    packed, plain = (HF(path=str(stories / f"stories260K{end}")).card() for end in (".gguf", ""))
    assert packed == plain
    names = read_gguf(folder_of(stories / "stories260K.gguf") / GGUF_FILE).tensors
    assert len(names) == 47

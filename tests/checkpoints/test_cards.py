"""What is read from a model's folder without loading it."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import composer
from composer.backends import BACKENDS, Capability, Card, ModelError
from composer.checkpoints.folder import LOCAL, card_of

LLAMA = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "max_position_embeddings": 128,
    "vocab_size": 10,
}
TOKENIZER = {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}
hf = BACKENDS["hf"]


def safetensors(path, shape=(3, 4)):
    count = 1
    for side in shape:
        count *= side
    one = {"dtype": "F16", "shape": list(shape), "data_offsets": [0, count * 2]}
    header = json.dumps({"__metadata__": {}, path.stem: one}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(count * 2))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    (tmp_path / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    safetensors(tmp_path / "model.safetensors")
    return tmp_path


def test_size_context_and_vocabulary_come_from_headers(folder):
    card = hf(path=str(folder)).card()

    assert (card.architecture, card.context, card.vocabulary_size) == ("llama", 128, 10)
    assert (card.parameters, card.bytes) == (12, 24)
    assert card.vocabulary
    assert card.deferred == ()


def test_attention_models_can_do_all_that_weights_allow(folder):
    assert hf(path=str(folder)).card().capabilities == LOCAL
    assert Capability.CROP in LOCAL


@pytest.mark.parametrize("kind", ["rwkv", "mamba2", "falcon_h1"])
def test_recurrent_models_cannot_crop(folder, kind):
    (folder / "config.json").write_text(json.dumps(LLAMA | {"model_type": kind}))

    card = hf(path=str(folder)).card()

    assert card.lacks(Capability.CROP | Capability.LOGITS) == (Capability.CROP,)
    assert card.why[Capability.CROP] == f"{kind} keeps a recurrent state"


def test_models_that_do_not_generate_have_only_weights(folder):
    changed = LLAMA | {"architectures": ["BertForMaskedLM"]}
    (folder / "config.json").write_text(json.dumps(changed))

    card = hf(path=str(folder)).card()

    assert card.capabilities == Capability.WEIGHTS
    assert card.why[Capability.TEXT] == "BertForMaskedLM is not a causal language model"


@pytest.mark.parametrize(("dtype", "size"), [("bf16", 24), ("float32", 48), ("auto", 24)])
def test_bytes_follow_the_declared_dtype(folder, dtype, size):
    assert hf(path=str(folder), dtype=dtype).card().bytes == size


def test_shards_are_added_up(folder):
    (folder / "model.safetensors").unlink()
    shards = ["model-1-of-2.safetensors", "model-2-of-2.safetensors"]
    for shard in shards:
        safetensors(folder / shard)
    index = {"weight_map": dict(zip("ab", shards, strict=True))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    assert card_of(folder).parameters == 24


def test_a_missing_shard_is_named(folder):
    index = {"weight_map": {"a": "model-1-of-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    with pytest.raises(
        ModelError, match=r"1 of its 1 weight files are missing: model-1-of-2"
    ) as caught:
        card_of(folder)

    assert caught.value.code == "E505"


def test_pickled_weights_are_refused_with_the_way_out(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

    with pytest.raises(ModelError, match="only pickled weights") as caught:
        card_of(folder)

    assert "save_pretrained" in caught.value.help


def test_weights_that_are_no_safetensors_are_refused(folder):
    (folder / "model.safetensors").write_bytes(b"not a header at all")

    with pytest.raises(ModelError, match="is not a safetensors file"):
        card_of(folder)


def test_models_with_code_of_their_own_are_refused(folder):
    own = LLAMA | {"model_type": "homemade", "auto_map": {"AutoModelForCausalLM": "m.M"}}
    (folder / "config.json").write_text(json.dumps(own))

    with pytest.raises(ModelError, match="needs its own Python code"):
        card_of(folder)


def test_a_known_architecture_may_carry_unused_code(folder):
    own = LLAMA | {"auto_map": {"AutoModelForCausalLM": "m.M"}}
    (folder / "config.json").write_text(json.dumps(own))

    assert card_of(folder).architecture == "llama"


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_broken_configuration_is_named(folder, content):
    (folder / "config.json").write_text(content)

    with pytest.raises(ModelError, match=r"config\.json") as caught:
        card_of(folder)

    assert caught.value.code == "E505"


def test_a_folder_without_configuration_is_no_model(tmp_path):
    with pytest.raises(ModelError, match=r"has no config\.json"):
        card_of(tmp_path)


def test_without_a_fast_tokenizer_the_vocabulary_is_deferred(folder):
    (folder / "tokenizer.json").unlink()

    card = card_of(folder)

    assert card.vocabulary is None
    assert "tokenizer.json" in card.deferred[0]


def test_a_changed_folder_is_read_again(folder):
    assert card_of(folder).parameters == 12
    safetensors(folder / "more.safetensors", shape=(2, 2))
    (folder / "model.safetensors").unlink()

    assert card_of(folder).parameters == 4


def test_every_ability_has_words():
    assert all(flag.words != "nothing" for flag in Capability)
    assert (Capability.TEXT | Capability.CROP).words == (
        "answers in text and a cache that can be shortened"
    )


def test_cards_compare_by_what_they_say():
    assert Card(Capability.TEXT, why={Capability.CROP: "a"}) == Card(Capability.TEXT)


def test_cards_are_read_without_heavy_imports(folder):
    script = (
        "import sys\n"
        "from composer.backends import BACKENDS\n"
        f"BACKENDS['hf'](path={str(folder)!r}).card()\n"
        "BACKENDS['hf'](path='some/model').card()\n"
        "heavy = {'torch', 'transformers', 'numpy', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )

    root = Path(composer.__file__).parents[1]
    run = subprocess.run([sys.executable, "-c", script], check=False, cwd=root)
    assert run.returncode == 0


MODELS = Path(__file__).parents[3] / "shared" / "data" / "models"
beside = pytest.mark.skipif(not MODELS.is_dir(), reason="no models lie beside the checkout")


@beside
def test_a_fine_tune_shares_the_vocabulary_and_not_the_weights():
    base, tuned = (hf(path=str(MODELS / f"stories260K{end}")) for end in ("", "-ft-gsm8k"))

    assert base.card().parameters == 260_032
    assert base.card().vocabulary == tuned.card().vocabulary
    assert base.identity() != tuned.identity()


@beside
def test_a_recurrent_model_of_bytes():
    card = hf(path=str(MODELS / "rwkv4-660K-bytes")).card()

    assert (card.vocabulary_size, card.context) == (256, None)
    assert Capability.CROP not in card.capabilities

"""A folder's files are what counts, for `check` and `run` alike, and never a class's defaults."""

from pathlib import Path

import fusing
import pytest
from folders import copied, restate

import composer
from composer.checkpoints.folder import card_of, files_of
from composer.engine.weights.local import load
from composer.run import Failure
from composer.specs import Chat
from composer.values import ModelError

STORIES = Path(__file__).parents[3] / "shared" / "data" / "models" / "stories260K"
ENDS = ("config.json", "generation_config.json")


@pytest.fixture
def folder(tmp_path):
    return copied(tmp_path)


def loaded(folder):
    return load(fusing.checkpoint("m", folder))


def silent(folder):
    """Let no file say what ends a text."""
    for name in ENDS:
        restate(folder, name, without=["eos_token_id"])
    restate(folder, "tokenizer_config.json", without=["eos_token"])


def random_model(folder, kind, **options):
    """Save a small random model with the zoo's tokenizer."""
    import transformers

    sizes = {"vocab_size": 384, "hidden_size": 32, "intermediate_size": 32}
    layers = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4}
    config = getattr(transformers, f"{kind}Config")(**sizes, **layers, **options)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)


def test_the_tokenizer_file_counts_and_not_a_class_that_rebuilds_it(tmp_path):
    if not STORIES.is_dir():
        pytest.skip("the folder shared/data is not beside this checkout")
    folder = copied(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((STORIES / name).read_bytes())
    random_model(folder, "Qwen2")
    model = loaded(folder)
    assert model.config.model_type == "qwen2"
    assert model.vocabulary.encode("the cat") == [265, 280, 294]
    assert model.vocabulary.fingerprint == card_of(folder).vocabulary == card_of(STORIES).vocabulary


def test_a_token_that_only_the_settings_name_changes_no_vocabulary(folder):
    restate(folder, "tokenizer_config.json", eos_token="<nowhere>", extra_special_tokens=["<x>"])
    model = loaded(folder)
    assert len(model.vocabulary) == 384
    assert model.vocabulary.fingerprint == card_of(folder).vocabulary


@pytest.mark.parametrize(
    ("file", "stated"),
    [
        ("config.json", {"eos_token_id": 300}),
        ("generation_config.json", {"eos_token_id": [300]}),
        ("tokenizer_config.json", {"eos_token": "<eos>"}),
        ("special_tokens_map.json", {"eos_token": {"content": "<eos>"}}),
    ],
)
def test_each_file_may_say_what_ends_a_text_and_a_class_may_not(folder, file, stated):
    silent(folder)
    restate(folder, file, **stated)
    assert loaded(folder).ends == ({1} if "eos_token" in stated else {300})


def test_where_no_file_says_it_nothing_ends_a_text(folder):
    silent(folder)
    assert loaded(folder).ends == frozenset()


def test_what_a_text_begins_with_is_what_the_settings_say(folder):
    asked = (("user", "a"),)
    assert loaded(folder).bos is None
    restate(folder, "tokenizer_config.json", bos_token="<pad>", add_bos_token=True)
    model = loaded(folder)
    assert model.render(asked, Chat("plain")) == [0, *model.vocabulary.encode("a")]
    restate(folder, "tokenizer_config.json", add_bos_token=False)
    assert loaded(folder).render(asked, Chat("plain")) == model.vocabulary.encode("a")


LONG = {"type": "longrope", "short_factor": [1.0] * 4, "long_factor": [8.0] * 4}
LIMITS = [
    ({"max_position_embeddings": 512}, 512),
    ({"max_position_embeddings": 100, "rope_scaling": {"type": "linear", "factor": 2.0}}, 100),
    ({"max_position_embeddings": 100, "rope_scaling": {"type": "dynamic", "factor": 2.0}}, 100),
    ({"max_position_embeddings": 100, "rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, 100),
    ({"max_position_embeddings": -1}, None),
    ({"max_position_embeddings": None, "rope_scaling": {"type": "dynamic", "factor": 2.0}}, 2048),
    ({"n_positions": 90, "max_position_embeddings": None}, 90),
    ({"max_position_embeddings": None}, None),
]


@pytest.mark.parametrize(("stated", "limit"), LIMITS)
def test_a_plan_and_a_run_know_one_limit(folder, stated, limit):
    gone = [name for name, value in stated.items() if value is None]
    restate(folder, without=gone, **stated)
    restate(folder, without=gone)
    assert (card_of(folder).context, loaded(folder).context) == (limit, limit)


def test_a_table_of_positions_is_a_limit_where_no_file_names_one(tmp_path):
    import transformers

    config = transformers.GPT2Config(vocab_size=384, n_positions=40, n_embd=32, n_layer=1, n_head=4)
    folder = copied(tmp_path)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    assert card_of(folder).context == loaded(folder).context == 40
    restate(folder, without=["n_positions"])
    assert card_of(folder).context == 40


@pytest.mark.parametrize(
    ("file", "stated", "told"),
    [
        ("config.json", {"max_position_embeddings": -5}, "`max_position_embeddings` is -5"),
        ("config.json", {"vocab_size": "384"}, '`vocab_size` is "384"'),
        ("config.json", {"vocab_size": True}, "`vocab_size` is true"),
        ("config.json", {"n_ctx": 1e400}, "`n_ctx` is not a finite number"),
        ("config.json", {"rms_norm_eps": float("nan")}, "`rms_norm_eps` is not a finite number"),
        ("config.json", {"num_attention_heads": 0}, "`num_attention_heads` is 0"),
        ("config.json", {"text_config": [1]}, "`text_config` is [1]"),
        ("config.json", {"text_config": {"n_ctx": 0}}, "`n_ctx` is 0"),
        ("config.json", {"architectures": "Llama"}, '`architectures` is "Llama"'),
        ("config.json", {"model_type": 5}, "`model_type` is 5"),
        ("config.json", {"eos_token_id": [1, "2"]}, '`eos_token_id` is [1, "2"]'),
        ("config.json", {"transformers_weights": "../x.safetensors"}, "weights are in"),
        ("generation_config.json", {"eos_token_id": 1.5}, "`eos_token_id` is 1.5"),
        ("tokenizer_config.json", {"eos_token": 7}, "`eos_token` is 7"),
        ("tokenizer.json", {"model": {"type": "BPE"}}, "has no `model.vocab`"),
        ("tokenizer.json", {"model": {"vocab": {"a": 10**12}}}, "`model.vocab.a` is 1000000000000"),
        ("tokenizer.json", {"added_tokens": [{"id": -3}]}, "`added_tokens.0.id` is -3"),
    ],
)
def test_a_value_that_cannot_be_is_told_with_its_file_and_name(folder, file, stated, told):
    restate(folder, file, **stated)
    with pytest.raises(ModelError) as no:
        files_of(folder)
    assert (no.value.code, file in no.value.message, bool(no.value.help)) == ("E505", True, True)
    assert told in no.value.message


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[" * 100_000, "nested deeper than 64 levels"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "nested deeper than 64 levels"),
        (b'{"model_type": "llama", "model_type": "gpt2"}', "contains the key `model_type` twice"),
        (b'{"model_type": "ll\xff"}', "is not UTF-8 text, from byte 19 on"),
        (b'{"model_type": "llama",\n  oops}', "is not JSON, from line 2, column 3 on"),
        (b'{"vocab_size": ' + b"9" * 5000 + b"}", "contains a number that is too long"),
        (b'{"model_type": "\\ud800"}', "contains half a character"),
    ],
)
def test_a_file_that_is_no_plain_json_is_told_in_our_words(folder, content, told):
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"config\.json") as no:
        files_of(folder)
    assert told in no.value.message


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "generation_config.json"])
def test_a_folder_in_place_of_a_file_is_told(folder, name):
    (folder / name).unlink(missing_ok=True)
    (folder / name).mkdir()
    with pytest.raises(ModelError, match=f"{name}` is not a plain file"):
        files_of(folder)


def test_a_tokenizer_that_its_library_does_not_read_is_told(folder):
    restate(folder, "tokenizer.json", decoder={"type": "Unheard"})
    with pytest.raises(ModelError, match="not a tokenizer that the library `tokenizers` can read"):
        loaded(folder)


def test_a_recipe_of_a_damaged_folder_says_where_it_is_declared(folder):
    restate(folder, vocab_size=-4)
    recipe = folder.parent / "r.ens"
    recipe.write_text('model M = hf("model")\nM\n')
    with pytest.raises(composer.Mistakes) as no:
        composer.load(recipe).plan()
    (each,) = no.value.diagnostics
    assert (each.code, each.label) == ("E505", "declared here")


def test_a_token_that_the_weights_do_not_know_is_told(folder):
    extra = {"id": 384, "content": "<extra>", "special": False, "single_word": False}
    flags = {"lstrip": False, "rstrip": False, "normalized": False}
    restate(folder, "tokenizer.json", added_tokens=[{**extra, **flags}])
    (folder.parent / "r.ens").write_text('model M = hf("model")\nM(max_tokens = 2)\n')
    with composer.load(folder.parent / "r.ens").ready() as ensemble:
        assert ensemble("What is 1 plus 1?").text is not None
        with pytest.raises(Failure, match=r"gives token 384 .* only 384 tokens") as no:
            ensemble("What is <extra>?")
    assert no.value.code == "E505"

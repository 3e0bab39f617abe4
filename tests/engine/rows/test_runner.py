from pathlib import Path

import pytest
import torch
from fusing import checkpoint

from composer.engine.rows.attention import BatchedAttention
from composer.engine.rows.recurrent import RecurrentStates
from composer.engine.rows.row import Feed
from composer.engine.rows.runner import Runner
from composer.engine.rows.separate import SeparateCaches
from composer.engine.weights.local import LocalModel, load

MODELS = Path(__file__).parents[4] / "shared" / "data" / "models"


@pytest.fixture(scope="module")
def stories():
    if not MODELS.is_dir():
        pytest.skip("the folder shared/data is not beside this checkout")
    torch.set_num_threads(1)
    return load(checkpoint("stories", MODELS / "stories260K"))


def random_model(kind, tokenizer, **options):
    import transformers

    config = getattr(transformers, f"{kind}Config")(vocab_size=512, **options)
    torch.manual_seed(0)
    module = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
    return LocalModel(module, tokenizer, torch.device("cpu"), kind)


def test_attention_models_share_passes(stories):
    assert isinstance(Runner(stories).rows, BatchedAttention)


def test_rwkv_keeps_states(stories):
    assert isinstance(
        Runner(load(checkpoint("r", MODELS / "rwkv4-660K-bytes"))).rows, RecurrentStates
    )


@pytest.mark.parametrize(
    ("name", "kind"), [("stories260K", BatchedAttention), ("rwkv4-660K-bytes", RecurrentStates)]
)
def test_no_architecture_is_known_by_its_name(stories, monkeypatch, name, kind):
    model = load(checkpoint(name, MODELS / name))
    monkeypatch.setattr(type(model.config), "model_type", "homemade")
    made = Runner(model)
    assert made.alone is None
    assert isinstance(made.rows, kind)


def test_a_wide_window_is_tried_out_by_a_narrow_copy(stories):
    local = {"attention_types": [[["global", "local"], 2]], "window_size": 600}
    sizes = {"hidden_size": 32, "num_layers": 4, "num_heads": 4}
    assert (
        "change each" in Runner(random_model("GPTNeo", stories.tokenizer, **sizes, **local)).alone
    )


@pytest.mark.parametrize(
    ("kind", "options", "why"),
    [
        (
            "GPTNeo",
            {
                "hidden_size": 32,
                "num_layers": 2,
                "num_heads": 4,
                "attention_types": [[["global", "local"], 1]],
                "window_size": 4,
            },
            "change each other",
        ),
        ("Bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 4}, "fails on rows"),
    ],
)
@torch.inference_mode()
def test_a_model_that_fails_the_trial_runs_row_by_row(stories, kind, options, why):
    model = random_model(kind, stories.tokenizer, **options)
    made = Runner(model)
    assert why in made.alone
    assert isinstance(made.rows, SeparateCaches)
    one, two = made.rows.allocate(), made.rows.allocate()
    made.forward([Feed(one, [5, 6, 7], ()), Feed(two, [9], ())])
    got = made.forward([Feed(one, [8], [0]), Feed(two, [4, 3], [1])])
    for row, text in zip(got, ([5, 6, 7, 8], [9, 4, 3]), strict=True):
        alone = model.module(torch.tensor([text]), use_cache=False).logits[0, -1]
        assert torch.allclose(row, alone, atol=1e-4)


def test_layers_of_another_kind_run_row_by_row(stories, monkeypatch):
    monkeypatch.setattr(stories.config, "layer_types", ["chunked_attention"] * 5, raising=False)
    made = Runner(stories)
    assert "chunked_attention" in made.alone
    assert isinstance(made.rows, SeparateCaches)


@torch.inference_mode()
def test_padding_of_the_vocabulary_is_no_token(stories):
    model = random_model(
        "Llama",
        stories.tokenizer,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=32,
    )
    model.config.vocab_size = 512
    model.module.resize_token_embeddings(600)
    made = Runner(model)
    row = made.rows.allocate()
    assert made.forward([Feed(row, [5], [0])]).shape == (1, 512)

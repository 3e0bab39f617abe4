"""Small copies of models, in which whatever may be a window is narrow."""

from functools import wraps

import pytest
import torch
import transformers

from composer.engine.rows.attention import BatchedAttention
from composer.engine.rows.forward_arguments import cache_name
from composer.engine.rows.row import Feed
from composer.engine.rows.runner import Runner
from composer.engine.rows.separate import SeparateCaches
from composer.engine.rows.small_config import depth_of, knobs
from composer.engine.rows.small_copy import narrowed
from composer.engine.weights.local import LocalModel

GROUPED = {"num_key_value_heads": 2, "intermediate_size": 48, "max_position_embeddings": 512}
MOE = {"num_experts": 4, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16}
LOCAL = {"attention_types": [[["global", "local"], 2]], "num_hidden_layers": 4}


class Lookback(transformers.LlamaForCausalLM):
    """A model with a window that only its own mask knows, under a name of its own."""

    @wraps(transformers.LlamaForCausalLM.forward)
    def forward(self, input_ids, attention_mask=None, **given):
        if attention_mask is None:
            cache = given.get(cache_name(self))
            before = 0 if cache is None else cache.get_seq_length()
            reach = before + input_ids.shape[1]
            here, there = torch.arange(before, reach)[:, None], torch.arange(reach)
            seen = (there <= here) & (there > here - self.config.lookback)
            attention_mask = torch.where(seen, 0.0, torch.finfo(torch.float32).min)[None, None]
        return super().forward(input_ids, attention_mask=attention_mask, **given)


@pytest.fixture
def lookback(small):
    """A model that looks back 100 tokens, and says so nowhere."""
    plain = small("Llama", **GROUPED)
    plain.config.lookback = 100
    torch.manual_seed(0)
    module = Lookback(plain.config).eval()
    return LocalModel(module, plain.tokenizer, torch.device("cpu"), "lookback")


def worst(made, lengths):
    """How far the last logits of texts read together are from those of each alone."""
    texts = [[(5 * n + 3 + k) % 90 + 3 for n in range(m)] for k, m in enumerate(lengths)]
    rows = [made.rows.allocate() for _ in texts]
    made.forward([Feed(row, text[:-2], ()) for row, text in zip(rows, texts, strict=True)])
    feeds = [Feed(row, text[-2:], [1]) for row, text in zip(rows, texts, strict=True)]
    gaps = []
    for found, text in zip(made.forward(feeds), texts, strict=True):
        alone = made.model.module(torch.tensor([text]), use_cache=False).logits[0, -1]
        gaps.append(((found - alone).abs().max() / alone.abs().max()).item())
    return max(gaps)


@torch.inference_mode()
def test_a_window_that_only_the_model_knows_is_found_whatever_its_name(lookback):
    made = Runner(lookback)
    assert isinstance(made.rows, SeparateCaches)
    assert worst(made, (10, 190)) < 2e-4


@torch.inference_mode()
def test_a_window_that_a_configuration_names_and_a_model_ignores_is_found(small):
    made = Runner(small("Moshi", ffn_dim=48, sliding_window=100, max_position_embeddings=512))
    assert isinstance(made.rows, SeparateCaches)
    assert worst(made, (10, 190)) < 2e-4


@torch.inference_mode()
def test_a_length_from_which_positions_turn_otherwise_is_found(small):
    turns = {"short_factor": [1.0] * 4, "long_factor": [4.0] * 4, "rope_theta": 1e4}
    rope = turns | {"rope_type": "longrope", "original_max_position_embeddings": 64}
    sizes = GROUPED | {"original_max_position_embeddings": 64}
    made = Runner(small("Phi3", **sizes, rope_parameters=rope))
    assert isinstance(made.rows, SeparateCaches)
    assert worst(made, (10, 100)) < 2e-4


@pytest.mark.parametrize(
    ("kind", "options", "lengths"),
    [
        ("GPTNeo", LOCAL | {"window_size": 256, "max_position_embeddings": 512}, (10, 270)),
        ("Qwen2Moe", GROUPED | MOE | {"layer_types": ["sliding_attention"] * 2}, (20, 190)),
        ("Mistral", GROUPED, (20, 190)),
        ("Gemma3Text", GROUPED | {"head_dim": 8}, (20, 190)),
    ],
)
@torch.inference_mode()
def test_rows_beyond_wide_windows_read_as_if_alone(kind, options, lengths, small):
    windows = {"use_sliding_window": True, "sliding_window": 100} | options
    assert worst(Runner(small(kind, **windows)), lengths) < 2e-4


def test_what_may_be_a_window_is_narrow_in_the_copy(small):
    model = small("Mistral", **GROUPED, sliding_window=100)
    copy, lengths = narrowed(model)
    assert max(lengths) > copy.config.sliding_window > min(lengths)
    assert model.config.sliding_window == 100


def test_sizes_are_no_windows(small):
    model = small("Llama", **GROUPED)
    assert narrowed(model)[0].config.to_dict() == model.config.to_dict()


def test_ids_and_what_every_model_has_are_not_asked_for(small):
    model = small("Llama", **GROUPED, num_hidden_layers=12)
    assert [knob.path for knob in knobs(model.config, 8, 512)] == [("intermediate_size",)]


def test_windows_beyond_the_context_are_not_tried(small):
    copy, _ = narrowed(small("Mistral", **GROUPED, sliding_window=512))
    assert copy.config.sliding_window == 512


def test_equal_numbers_of_a_list_are_lowered_together(small):
    model = small("Llama", **GROUPED)
    model.config.spans = [600, 300, 300, 4]
    spans = [knob for knob in knobs(model.config, 8, None) if knob.path == ("spans",)]
    assert [knob.value for knob in spans] == [600, 300]
    copy, _ = narrowed(small("Llama", **GROUPED, spans=[100, 200, 200, 4]))
    assert copy.config.spans == [12, 16, 16, 4]


def test_a_copy_has_one_layer_of_each_kind(small):
    kinds = (["sliding_attention"] * 3 + ["full_attention"]) * 3
    sizes = GROUPED | {"num_hidden_layers": 12, "head_dim": 8, "sliding_window": 100}
    model = small("Gemma3Text", layer_types=kinds, **sizes)
    assert depth_of(model.module, model.config) == 4
    assert narrowed(model)[0].config.num_hidden_layers == 4


def test_a_copy_takes_no_memory_of_its_own_for_weights(small):
    model = small("Mistral", **GROUPED, sliding_window=100)
    before = {name: weight.clone() for name, weight in model.module.named_parameters()}
    copy, _ = narrowed(model)
    own = dict(model.module.named_parameters())
    for name, weight in copy.module.named_parameters():
        assert weight.data_ptr() == own[name].data_ptr()
    assert all(torch.equal(own[name], weight) for name, weight in before.items())


def test_a_copy_of_half_numbers_computes_in_whole_ones(small):
    model = small("Mistral", **GROUPED, sliding_window=100)
    model.module.to(torch.bfloat16)
    copy, _ = narrowed(model)
    assert copy.dtype == torch.float32
    assert model.dtype == torch.bfloat16
    assert isinstance(Runner(model).rows, BatchedAttention)


def test_a_model_that_cannot_be_copied_is_read_row_by_row(small, monkeypatch):
    model = small("Mistral", **GROUPED, sliding_window=100)

    def refuse(*_, **__):
        raise NotImplementedError

    monkeypatch.setattr(type(model.module), "_from_config", refuse)
    made = Runner(model)
    assert "NotImplementedError" in made.alone
    assert isinstance(made.rows, SeparateCaches)

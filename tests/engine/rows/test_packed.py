"""Random schedules of rows on packed and padded passes, over many architectures."""

import pytest
import torch

from composer.engine.rows.attention import BatchedAttention
from composer.engine.rows.row import Feed
from composer.engine.rows.runner import Runner

CLOSE = 2e-4  # of the largest logit
GROUPED = {"num_key_value_heads": 2, "intermediate_size": 48}
WIDE = {"intermediate_size": 48}
KINDS = {
    "Llama": GROUPED,
    "Llama, one head of keys": {"num_key_value_heads": 1, "intermediate_size": 48},
    "Qwen2": GROUPED,
    "Qwen2, windows in some layers": GROUPED
    | {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1},
    "Qwen3": GROUPED | {"head_dim": 8},
    "Mistral": GROUPED | {"sliding_window": 7},
    "Mixtral": GROUPED | {"sliding_window": 7, "num_local_experts": 2},
    "Phi3": GROUPED | {"sliding_window": 5},
    "Phi": WIDE,
    "Gemma": GROUPED | {"head_dim": 8},
    "Gemma2": GROUPED | {"head_dim": 8, "sliding_window": 6, "attn_logit_softcapping": 2.0},
    "Gemma3Text": GROUPED | {"head_dim": 8, "sliding_window": 6, "query_pre_attn_scalar": 8},
    "GPT2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128},
    "GPT2, scaled by layer": {
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 4,
        "n_positions": 128,
        "scale_attn_by_inverse_layer_idx": True,
        "reorder_and_upcast_attn": True,
    },
    "GPTBigCode": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128, "n_inner": 48},
    "GPTNeoX": WIDE,
    "OPT": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "Olmo2": GROUPED,
    "Cohere": GROUPED,
    "StableLm": GROUPED,
    "SmolLM3": GROUPED,
}
BANDED = {"num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]]}
OTHERS = {
    "Falcon": {"num_kv_heads": 2, "new_decoder_architecture": True},
    "GPTJ": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128, "rotary_dim": 4},
    "Mpt": {"d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 128},
    "GPTNeo": BANDED | {"window_size": 4},
    "GPTNeo, wider than short texts": BANDED | {"window_size": 24},
}


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_rows_of_unlike_length_read_as_if_alone(kind, small, schedule):
    model = small(kind.split(",")[0], **KINDS[kind])
    assert Runner(model).rows.packs
    for packs in (True, False):
        assert schedule(BatchedAttention(model, packs=packs), model, 1).run(40) < CLOSE


@pytest.mark.parametrize("kind", OTHERS)
@torch.inference_mode()
def test_however_an_architecture_is_read_it_is_as_if_alone(kind, small, schedule):
    model = small(kind.split(",")[0], **OTHERS[kind])
    assert schedule(Runner(model).rows, model, 1).run(60) < CLOSE


@torch.inference_mode()
def test_a_model_that_builds_its_own_biases_from_a_flat_mask_runs_row_by_row(small):
    made = Runner(small("Falcon", alibi=True))
    assert "fails on rows" in made.alone


@torch.inference_mode()
def test_layers_that_do_not_ask_for_their_window_are_not_packed(small):
    wide = {"use_sliding_window": True, "sliding_window": 100, "max_window_layers": 1}
    model = small("Qwen2", **GROUPED, **wide)
    assert Runner(model).rows.packs
    model.module.model.layers[1].self_attn.sliding_window = None
    assert not Runner(model).rows.packs


@torch.inference_mode()
def test_the_module_is_left_as_it_was(small):
    model = small("Llama", attn_implementation="eager")
    table = BatchedAttention(model, packs=True)
    row = table.allocate()
    table.forward([Feed(row, [5, 6, 7], [2])])
    assert model.config._attn_implementation == "eager"
    with pytest.raises(IndexError):
        table.forward([Feed(row, [10**6, 4], [1])])
    assert model.config._attn_implementation == "eager"
    assert row.length == 3


@torch.inference_mode()
def test_new_prompts_and_rows_that_go_on_share_one_pass(small, monkeypatch):
    model = small("Llama")
    table = BatchedAttention(model, packs=True)
    old = [table.allocate() for _ in range(8)]
    table.forward([Feed(row, [5, 6, 7], ()) for row in old])
    passes = []
    forward = type(model.module).forward
    monkeypatch.setattr(
        type(model.module), "forward", lambda *a, **k: passes.append(k) or forward(*a, **k)
    )
    new = table.allocate()
    table.forward(
        [Feed(old[0], [8], [0]), Feed(new, range(3, 60), [56]), Feed(old[7], [8, 9], [1])]
    )
    assert [given["input_ids"].shape for given in passes] == [(1, 60)]


@torch.inference_mode()
def test_a_pass_takes_one_upload(small, monkeypatch):
    table = BatchedAttention(small("Mistral", **KINDS["Mistral"]), packs=True)
    rows = [table.allocate() for _ in range(9)]
    table.forward([Feed(row, range(3, 5 + n), ()) for n, row in enumerate(rows)])
    sent = []
    upload = BatchedAttention.upload
    monkeypatch.setattr(BatchedAttention, "upload", lambda *a: sent.append(a) or upload(*a))
    monkeypatch.setattr(torch, "tensor", lambda *a, **k: sent.append(a) or torch.as_tensor(*a, **k))
    table.forward(
        [Feed(rows[n], [7] * (n + 1), [n]) for n in (0, 3, 5)] + [Feed(rows[2], [7], [0])]
    )
    assert len(sent) == 2  # the call, and the tensor that it makes

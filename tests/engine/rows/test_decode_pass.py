"""Decode passes by our own code give the logits of the model's own code, or are not taken."""

import pytest
import torch

from composer.engine.rows.attention import BatchedAttention
from composer.engine.rows.decode_pass import DecodePass
from composer.engine.rows.row import Feed
from composer.engine.rows.runner import Runner
from composer.engine.rows.weight_layout import joined

SHARED = {"num_key_value_heads": 2, "intermediate_size": 48}
SUITED = [
    ("Llama", SHARED),
    ("Llama", {"num_key_value_heads": 4, "tie_word_embeddings": True, "intermediate_size": 48}),
    ("Llama", {"head_dim": 16, "intermediate_size": 48}),
    ("Llama", {**SHARED, "rope_parameters": {"rope_type": "linear", "factor": 2.0}}),
    ("Qwen2", SHARED),
    ("Mistral", {**SHARED, "sliding_window": 5}),
]


@pytest.mark.parametrize(("kind", "options"), SUITED)
@torch.inference_mode()
def test_rows_join_leave_fork_and_step(kind, options, small, schedule):
    model = small(kind, **options)
    rows = BatchedAttention(model, packs=True, direct=True)
    taken = []
    rows._direct, direct = (lambda *given: taken.append(1) or direct(*given)), rows._direct
    rows._direct.changed = False
    assert schedule(rows, model, 1).run(80) < 1e-4
    assert taken


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("GPT2", {}),
        ("Gemma2", {**SHARED, "head_dim": 8}),
        ("Qwen3", {**SHARED, "head_dim": 8}),
        ("Phi3", SHARED),
        ("Llama", {**SHARED, "mlp_bias": True}),
        ("Llama", {**SHARED, "attention_bias": True}),
        ("Mixtral", SHARED),
    ],
)
def test_other_parts_are_read_by_their_own_code(kind, options, small):
    assert DecodePass.of(small(kind, **options).module) is None


def test_other_numbers_are_read_by_their_own_code(small):
    assert DecodePass.of(small("Llama", **SHARED).module.bfloat16()) is None


def test_the_trial_finds_a_model_whose_parts_do_something_else(small):
    model = small("Llama", **SHARED)
    assert Runner(model).rows._direct is not None
    layer = model.module.model.layers[1].self_attn
    own = layer.forward
    layer.forward = lambda *given, **named: (2 * own(*given, **named)[0], None)
    strange = Runner(model)
    assert strange.rows._direct is None
    assert (strange.alone, strange.padded) == (None, None)


@torch.inference_mode()
def test_what_is_hooked_to_a_layer_is_called(small):
    runner = Runner(small("Llama", **SHARED))
    row = runner.rows.allocate()
    seen = []
    layer = runner.model.module.model.layers[1]
    handle = layer.register_forward_hook(lambda *_: seen.append(1))
    runner.forward([Feed(row, [5], [0])])
    handle.remove()
    runner.forward([Feed(row, [6], [0])])
    assert seen == [1]


@torch.inference_mode()
def test_hidden_states_come_from_the_model_and_logits_are_the_same(small):
    runner = Runner(small("Qwen2", **SHARED))
    row = runner.rows.allocate()
    runner.forward([Feed(row, [5, 6, 7], ())])
    both = runner.forward([Feed(row, [8], [0])], hidden=True)
    runner.rows.crop(row, 3)
    logits = runner.forward([Feed(row, [8], [0])])
    assert both.shape == (1, 97 + 32)
    assert torch.allclose(both[:, :97], logits, atol=1e-5)


def test_weights_are_joined_once_and_keep_their_numbers():
    layers = [torch.nn.Linear(256, size) for size in (512, 64, 64)]
    before = [each.weight.clone() for each in layers]
    whole = joined([each.weight for each in layers])
    assert joined([each.weight for each in layers]).data_ptr() == whole.data_ptr()
    assert torch.equal(whole, torch.cat(before))
    assert all(torch.equal(a.weight, b) for a, b in zip(layers, before, strict=True))
    layers[1].weight.data[0, 0] = 3.0
    assert whole[512, 0] == 3.0

"""Models with states or caches of their own, row by row, against whole texts."""

from functools import wraps

import pytest
import torch

from composer.engine.rows.forward_arguments import cache_name
from composer.engine.rows.row import Feed
from composer.engine.rows.runner import Runner
from composer.engine.rows.separate import SeparateCaches

STATE = {"num_key_value_heads": 2, "intermediate_size": 48}
PARALLEL = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_n_groups": 1, "mamba_d_state": 8}
KINDS = {
    "Mamba": {"state_size": 4},
    "Mamba2": {"state_size": 8, "num_heads": 8, "head_dim": 8, "n_groups": 2, "chunk_size": 4},
    "FalconMamba": {"state_size": 4},
    "RecurrentGemma": {
        "num_key_value_heads": 1,
        "intermediate_size": 48,
        "lru_width": 32,
        "attention_window_size": 16,
        "num_hidden_layers": 3,
    },
    "Jamba": STATE
    | {"num_experts": 2, "attn_layer_period": 2, "attn_layer_offset": 1}
    | {"use_mamba_kernels": False},
    "FalconH1": STATE | PARALLEL | {"mamba_d_ssm": 64, "mamba_chunk_size": 4},
    "Lfm2": STATE | {"layer_types": ["conv", "full_attention"]},
    "Bloom": {"n_layer": 2, "n_head": 4},
}


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_rows_read_as_whole_texts_do(kind, small, schedule):
    made = Runner(small(kind, **KINDS[kind]))
    assert isinstance(made.rows, SeparateCaches)
    assert schedule(made.rows, made.model, 1).run(25) < 2e-4


@pytest.mark.parametrize(
    ("wrong", "pace"), [(lambda _: False, None), (lambda n: n > 1, 1), (lambda _: True, 0)]
)
@torch.inference_mode()
def test_a_cache_is_fed_as_it_reads_rightly(small, schedule, monkeypatch, wrong, pace):
    model = small("Llama")
    spoil(model, wrong, monkeypatch)
    rows = SeparateCaches(model)
    assert rows.pace == pace
    assert schedule(rows, model, 1).run(25) < 2e-4


def spoil(model, wrong, monkeypatch):
    """Let a cache that holds something give other logits for some numbers of tokens."""
    forward, name = model.module.forward, cache_name(model.module)

    @wraps(forward)
    def spoilt(ids, **given):
        out = forward(ids, **given)
        if given.get(name) is not None and given["use_cache"] and wrong(ids.shape[1]):
            out.logits = out.logits.flip(-1)
        return out

    monkeypatch.setattr(model.module, "forward", spoilt)


@torch.inference_mode()
def test_what_a_cache_holds_is_not_read_again(small, monkeypatch):
    rows = SeparateCaches(small("Bloom", **KINDS["Bloom"]))
    row = rows.allocate()
    rows.forward([Feed(row, [5, 6, 7], ())])
    forward, widths = rows.model.module.forward, []
    monkeypatch.setattr(
        rows.model.module,
        "forward",
        lambda ids, **k: widths.append(ids.shape[1]) or forward(ids, **k),
    )
    rows.forward([Feed(row, [8, 9], [1])])
    assert widths == [2]


@torch.inference_mode()
def test_a_mark_saves_reading_again(small):
    rows = SeparateCaches(small("Bloom", **KINDS["Bloom"]))
    row = rows.allocate()
    rows.forward([Feed(row, [5, 6, 7], ())])
    rows.snapshot(row)
    rows.forward([Feed(row, [8, 9], ())])
    assert rows.crop(row, 4) == 3
    assert rows.crop(row, 2) == 0


@torch.inference_mode()
def test_without_a_cache_any_length_can_be_come_back_to(small):
    rows = SeparateCaches(small("Mamba", state_size=4))
    rows.pace = 0
    row = rows.allocate()
    rows.forward([Feed(row, [5, 6, 7], ())])
    assert rows.crop(row, 2) == 2


@torch.inference_mode()
def test_a_failed_step_leaves_rows_as_they_were(small, monkeypatch):
    rows = SeparateCaches(small("Mamba", state_size=4))
    plain = SeparateCaches(rows.model)
    (first, second), alone = (rows.allocate(), rows.allocate()), plain.allocate()
    rows.forward([Feed(first, [5, 6], ()), Feed(second, [7], ())])
    feed = rows._feed

    def fail(prefill):
        if prefill.row is second:
            raise MemoryError
        return feed(prefill)

    monkeypatch.setattr(rows, "_feed", fail)
    more = Feed(first, [8, 9, 10], [2])
    with pytest.raises(MemoryError):
        rows.forward([more, Feed(second, [8], [0])])
    assert first.length == 2
    wanted = plain.forward([Feed(alone, [5, 6, 8, 9, 10], [4])])
    assert torch.allclose(rows.forward([more]), wanted, atol=1e-4)
    assert first.length == 5


@torch.inference_mode()
def test_what_fails_after_a_step_cuts_its_rows_back(small, monkeypatch):
    made = Runner(small("Bloom", **KINDS["Bloom"]))
    row = made.rows.allocate()
    made.forward([Feed(row, [5, 6], [1])])
    step = made.rows.forward

    def late(feeds):
        step(feeds)
        raise MemoryError

    monkeypatch.setattr(made.rows, "forward", late)
    with pytest.raises(MemoryError):
        made.forward([Feed(row, [7], [0])])
    assert row.length == 0  # this cache cannot be cut back

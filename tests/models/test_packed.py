"""Random schedules of rows on packed and padded passes, over many architectures."""

import random

import pytest
import torch
import transformers

from composer.models import runner
from composer.models.attention import PACKS, Attention
from composer.models.local import LocalModel
from composer.models.rows import Feed
from composer.models.runner import Runner

CLOSE = 2e-4  # of the largest logit
SMALL = {
    "vocab_size": 97,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
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


PADDED = {
    "Falcon": {"num_kv_heads": 2, "new_decoder_architecture": True},
    "GPTJ": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128, "rotary_dim": 4},
    "Mpt": {"d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 128},
}


class NoTokenizer:
    """What a model is asked of its tokenizer when nothing is written or read."""

    bos_token_id = eos_token_id = chat_template = None

    @property
    def backend_tokenizer(self):
        from tokenizers import Tokenizer, models

        return Tokenizer(models.BPE({chr(i): i - 33 for i in range(33, 130)}, []))


def small(kind, **options):
    """A random model of an architecture."""
    name = kind.split(",")[0]
    config = getattr(transformers, f"{name}Config")(
        **{**SMALL, **(KINDS | PADDED)[kind], **options}
    )
    torch.manual_seed(0)
    module = transformers.AutoModelForCausalLM.from_config(config).eval()
    return LocalModel(module, NoTokenizer(), torch.device("cpu"), kind)


class Schedule:
    """Rows of a table, and beside it what each of them has read."""

    def __init__(self, table, seed):
        self.table, self.model = table, table.model
        self.dice = random.Random(seed)
        self.texts = {}
        self.worst = 0.0

    def run(self, steps):
        for _ in range(steps):
            act = self.dice.choices([self.join, self.leave, self.crop, self.feed], [3, 1, 1.5, 8])[
                0
            ]
            if self.texts or act == self.join:
                act()
        return self.worst

    def pick(self):
        return self.dice.choice(list(self.texts))

    def join(self):
        if len(self.texts) < 9:
            self.texts[self.table.join()] = []

    def leave(self):
        row = self.pick()
        self.table.leave(row, wipe=self.dice.random() < 0.3)
        del self.texts[row]

    def crop(self):
        row = self.pick()
        self.texts[row] = self.texts[row][: self.table.crop(row, self.dice.randint(0, row.length))]

    def feed(self):
        some = self.dice.sample(list(self.texts), self.dice.randint(1, len(self.texts)))
        feeds = [self.one(row) for row in some if row.length < 110]
        if not feeds:
            return
        found = iter(self.table.step(feeds))
        for feed in feeds:
            self.texts[feed.row] = [*self.texts[feed.row], *feed.ids]
            self.compare(feed, found)

    def one(self, row):
        count = self.dice.choice([1, 1, 1, 2, 3, 5, 9])
        ids = [self.dice.randrange(3, 97) for _ in range(count)]
        keep = sorted(self.dice.sample(range(count), self.dice.randint(0, count)))
        return Feed(row, ids, keep)

    def compare(self, feed, found):
        if not feed.keep:
            return
        ids = torch.tensor([self.texts[feed.row]])
        alone = self.model.module(ids, use_cache=False).logits[0, -len(feed.ids) :]
        for k in feed.keep:
            gap = (next(found) - alone[k]).abs().max() / alone[k].abs().max()
            self.worst = max(self.worst, gap.item())


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.mark.parametrize("packs", [True, False], ids=["packed", "padded"])
@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_rows_of_unlike_length_read_as_if_alone(kind, packs):
    model = small(kind)
    assert model.config.model_type in PACKS
    table = Attention(model, packs=packs)
    assert Schedule(table, 1).run(60) < CLOSE


@pytest.mark.parametrize("kind", PADDED)
@torch.inference_mode()
def test_padded_rows_of_unlike_length_read_as_if_alone(kind):
    model = small(kind)
    assert model.config.model_type not in PACKS
    assert Schedule(Attention(model), 1).run(60) < CLOSE


@torch.inference_mode()
def test_a_model_that_builds_its_own_biases_from_a_flat_mask_runs_row_by_row():
    config = transformers.FalconConfig(**SMALL, alibi=True)
    module = transformers.AutoModelForCausalLM.from_config(config).eval()
    made = Runner(LocalModel(module, NoTokenizer(), torch.device("cpu"), "falcon"))
    assert "refuses rows" in made.alone


@torch.inference_mode()
def test_an_unknown_architecture_that_takes_our_attention_is_packed(monkeypatch):
    monkeypatch.setattr(runner, "_PROVED", frozenset())
    assert Runner(small("Llama")).rows.packs
    assert not Runner(small("GPTJ")).rows.packs
    assert not Runner(small("Mpt")).rows.packs


@torch.inference_mode()
def test_the_module_is_left_as_it_was():
    model = small("Llama", attn_implementation="eager")
    table = Attention(model)
    row = table.join()
    table.step([Feed(row, [5, 6, 7], [2])])
    assert model.config._attn_implementation == "eager"
    with pytest.raises(IndexError):
        table.step([Feed(row, [10**6, 4], [1])])
    assert model.config._attn_implementation == "eager"
    assert row.length == 3


@torch.inference_mode()
def test_new_prompts_and_rows_that_go_on_share_one_pass(monkeypatch):
    model = small("Llama")
    table = Attention(model)
    old = [table.join() for _ in range(8)]
    table.step([Feed(row, [5, 6, 7], ()) for row in old])
    passes = []
    forward = type(model.module).forward
    monkeypatch.setattr(
        type(model.module), "forward", lambda *a, **k: passes.append(k) or forward(*a, **k)
    )
    new = table.join()
    table.step([Feed(old[0], [8], [0]), Feed(new, range(3, 60), [56]), Feed(old[7], [8, 9], [1])])
    assert [given["input_ids"].shape for given in passes] == [(1, 60)]

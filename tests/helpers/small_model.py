"""A small real model, read in batches, that keeps what it has read of earlier prompts."""

import inspect
from dataclasses import dataclass

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

SLOTS = 64
AROUND = 6  # tokens before a text that decide how its first token is written


@dataclass(frozen=True)
class Feed:
    """The tokens from `start` on that a slot is to read; it has read those before."""

    slot: int
    start: int
    tokens: list[int]


class SmallModel:
    """The model of a folder, in float32, with `SLOTS` prompts that it remembers."""

    def __init__(self, folder):
        torch.set_num_threads(1)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.module = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        settings = self.module.config
        known = inspect.signature(self.module.forward).parameters
        self.cache = (
            "cache" if "cache" in known else "past_key_values"
        )  # as transformers renames it
        self.context = settings.max_position_embeddings
        self.vocabulary = settings.vocab_size
        ends = self.module.generation_config.eos_token_id
        self.ends = set(ends if isinstance(ends, list) else [ends]) - {None}
        self.slots = Slots(settings, self.context)

    @torch.inference_mode()
    def read(self, feeds):
        """Give the logits at each token of each feed, the feeds in one forward pass."""
        longest = max(len(feed.tokens) for feed in feeds)
        reach = max(feed.start + len(feed.tokens) for feed in feeds)
        tokens = torch.zeros(len(feeds), longest, dtype=torch.long)
        places = torch.zeros(len(feeds), longest, dtype=torch.long)
        real = torch.zeros(len(feeds), longest, dtype=torch.bool)
        for index, feed in enumerate(feeds):
            size = len(feed.tokens)
            tokens[index, :size] = torch.tensor(feed.tokens)
            places[index, :size] = torch.arange(feed.start, feed.start + size)
            real[index, :size] = True
        mask = places[:, None, :, None] >= torch.arange(reach)
        view = View(self.slots, torch.tensor([feed.slot for feed in feeds]), places, real, reach)
        logits = self.module(
            tokens, attention_mask=mask, position_ids=places, use_cache=True, **{self.cache: view}
        ).logits
        for feed in feeds:
            self.slots.note(feed)
        return [logits[index, : len(feed.tokens)] for index, feed in enumerate(feeds)]

    @torch.inference_mode()
    def embed(self, text):
        """Give the mean of a text's last hidden states."""
        ids = torch.tensor([self.encode(text)])
        return self.module.base_model(ids).last_hidden_state[0].mean(0).tolist()

    def encode(self, text, *, special=True):
        return self.tokenizer(text, add_special_tokens=special)["input_ids"]

    def text(self, ids, *, special=False):
        """Write tokens as a text."""
        return self.tokenizer.decode(ids, skip_special_tokens=not special)

    def following(self, prompt, ids):
        """Write tokens as they read behind a prompt."""
        before = prompt[-AROUND:]
        return self.text([*before, *ids])[len(self.text(before)) :]


class Slots:
    """The keys and values of `SLOTS` token sequences, and which tokens they are."""

    def __init__(self, settings, context):
        heads = getattr(settings, "num_key_value_heads", None) or settings.num_attention_heads
        size = getattr(settings, "head_dim", None)
        size = size or settings.hidden_size // settings.num_attention_heads
        shape = 2, settings.num_hidden_layers, SLOTS, heads, context, size
        # Pages that nobody writes to take no memory; zeros, since a mask hides no NaN.
        self.store = torch.from_numpy(np.zeros(shape, dtype=np.float32))
        self.tokens = np.full((SLOTS, context), -1)
        self.used = np.zeros(SLOTS, dtype=np.int64)
        self.free = np.ones(SLOTS, dtype=bool)
        self._turn = 0

    def take(self, prompt, *, anew=False):
        """Find a free slot for a prompt; return it, and how much of the prompt it has read."""
        size = len(prompt)
        differs = self.tokens[:, :size] != np.array(prompt)
        shared = np.where(differs.any(1), differs.argmax(1), size)
        best = int(shared.argmax())
        read = 0 if anew else min(int(shared[best]), size - 1)
        lengths = (self.tokens[best] >= 0).sum()
        if self.free[best] and not anew and 2 * read >= lengths:
            slot = best
        else:
            slot = int(np.where(self.free, self.used, np.iinfo(np.int64).max).argmin())
            self.store[:, :, slot, :, :read] = self.store[:, :, best, :, :read]
            self.tokens[slot, :read] = self.tokens[best, :read]
        self.tokens[slot, read:] = -1
        self.free[slot] = False
        return slot, read

    def note(self, feed):
        """Remember which tokens a slot has read."""
        self._turn += 1
        self.used[feed.slot] = self._turn
        self.tokens[feed.slot, feed.start : feed.start + len(feed.tokens)] = feed.tokens

    def release(self, slot):
        """Let others use a slot; what it has read stays until then."""
        self.free[slot] = True


@dataclass(frozen=True)
class View:
    """The slots of one forward pass, as transformers asks a cache."""

    slots: Slots
    rows: torch.Tensor
    places: torch.Tensor
    real: torch.Tensor
    reach: int

    def update(self, keys, values, layer, *_, **__):
        rows = self.rows[:, None].expand_as(self.places)[self.real]
        places = self.places[self.real]
        whole = []
        for store, states in zip(self.slots.store[:, layer], (keys, values), strict=True):
            store[rows, :, places] = states.transpose(1, 2)[self.real]
            whole.append(store[self.rows, :, : self.reach])
        return whole

    def get_seq_length(self, *_):
        return 0

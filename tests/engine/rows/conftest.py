"""Small random models of any architecture, and random schedules of rows to try them with."""

import itertools
import random

import pytest
import torch
import transformers

from composer.engine.rows.row import Feed
from composer.engine.weights.local import LocalModel

CONTEXT = 128
SMALL = {
    "vocab_size": 97,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}


class Tokenizer:
    """What a model asks of its tokenizer when nothing is written or read."""

    bos_token_id = eos_token_id = chat_template = None

    @property
    def backend_tokenizer(self):
        from tokenizers import Tokenizer, models

        return Tokenizer(models.BPE({chr(33 + i): i for i in range(SMALL["vocab_size"])}, []))


@pytest.fixture(scope="session")
def small():
    """A random model: `small("Llama", num_key_value_heads=2)`."""
    torch.set_num_threads(1)

    def make(kind, **options):
        config = getattr(transformers, f"{kind}Config")(**{**SMALL, **options})
        torch.manual_seed(0)
        module = transformers.AutoModelForCausalLM.from_config(config).eval()
        return LocalModel(module, Tokenizer(), torch.device("cpu"), kind)

    return make


class Schedule:
    """Rows that join, leave, fork, rejoin, crop and feed, and what each of them has read."""

    def __init__(self, rows, model, seed):
        self.rows, self.model = rows, model
        self.dice = random.Random(seed)
        self.texts = {}
        self.worst = 0.0

    def run(self, steps):
        """The greatest difference from whole texts read alone, over the largest logit."""
        for _ in range(steps):
            act = self.dice.choices(
                [self.join, self.leave, self.crop, self.fork, self.rejoin, self.feed],
                [3, 1, 1.5, 1, 1, 8],
            )[0]
            if self.texts or act == self.join:
                act()
        return self.worst

    def pick(self):
        return self.dice.choice(list(self.texts))

    def join(self):
        if len(self.texts) < 9:
            self.texts[self.rows.allocate()] = []

    def leave(self):
        row = self.pick()
        self.rows.free(row, wipe=self.dice.random() < 0.3)
        del self.texts[row]

    def crop(self):
        row = self.pick()
        wish = self.dice.randint(0, row.length)
        got = self.rows.crop(row, wish)
        assert got <= wish
        assert got == row.length
        self.texts[row] = self.texts[row][:got]

    def fork(self):
        if len(self.texts) < 9:
            row = self.pick()
            self.texts[self.rows.fork(row)] = list(self.texts[row])

    def rejoin(self):
        row, source = self.pick(), self.pick()
        pairs = zip(self.texts[row], self.texts[source], strict=False)
        same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        if row is not source:
            self.rows.rejoin(row, source, self.dice.randint(0, same))
            self.texts[row] = list(self.texts[source])
            assert row.length == source.length

    def feed(self):
        some = self.dice.sample(list(self.texts), self.dice.randint(1, len(self.texts)))
        feeds = [self.one(row) for row in some if row.length < CONTEXT - 10]
        if not feeds:
            return
        for row in some:
            if self.dice.random() < 0.3:
                self.rows.snapshot(row)
        found = iter(self.rows.forward(feeds))
        for feed in feeds:
            self.texts[feed.row] = [*self.texts[feed.row], *feed.ids]
            assert feed.row.length == len(self.texts[feed.row])
            self.compare(feed, found)

    def one(self, row):
        count = self.dice.choice([1, 1, 1, 2, 3, 5, 9])
        ids = [self.dice.randrange(3, SMALL["vocab_size"]) for _ in range(count)]
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


@pytest.fixture(scope="session")
def schedule():
    """Try rows out: `schedule(rows, model, seed).run(80)`."""
    return Schedule

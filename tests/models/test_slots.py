"""Random schedules of rows that join, leave, fork, crop and feed, against texts read alone."""

import random
from pathlib import Path

import pytest
import torch

from composer.models.attention import Attention
from composer.models.checkpoint import Checkpoint
from composer.models.local import LocalModel, load
from composer.models.rows import Feed
from composer.models.separate import Separate
from composer.models.slots import Slots
from composer.models.states import States

MODELS = Path(__file__).parents[3] / "shared" / "data" / "models"
CLOSE = 5e-5


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def local():
    if not MODELS.is_dir():
        pytest.skip("the folder shared/data is not beside this checkout")
    made = {}

    def find(name):
        if name not in made:
            made[name] = load(Checkpoint(name, name, str(MODELS / name)))
        return made[name]

    return find


def small(kind, **options):
    """A random model of another architecture, with the stories' tokenizer."""
    import transformers

    config = getattr(transformers, f"{kind}Config")(
        vocab_size=512,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=128,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        **options,
    )
    torch.manual_seed(0)
    module = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODELS / "stories260K")
    return LocalModel(module, tokenizer, torch.device("cpu"), kind)


class Schedule:
    """A table of rows, and beside it what each of them has read."""

    def __init__(self, rows, model, seed):
        self.rows, self.model = rows, model
        self.dice = random.Random(seed)
        self.texts = {}
        self.worst = 0.0

    def run(self, steps):
        for _ in range(steps):
            act = self.dice.choices(
                [self.join, self.leave, self.crop, self.fork, self.feed], [3, 1, 1.5, 1, 8]
            )[0]
            if self.texts or act == self.join:
                act()
        return self.worst

    def pick(self):
        return self.dice.choice(list(self.texts))

    def join(self):
        if len(self.texts) < 7:
            self.texts[self.rows.join()] = []

    def leave(self):
        row = self.pick()
        self.rows.leave(row, wipe=self.dice.random() < 0.3)
        del self.texts[row]

    def crop(self):
        row = self.pick()
        wish = self.dice.randint(0, row.length)
        got = self.rows.crop(row, wish)
        assert got <= wish
        assert got == row.length
        self.texts[row] = self.texts[row][:got]

    def fork(self):
        if len(self.texts) < 7:
            row = self.pick()
            self.texts[self.rows.fork(row)] = list(self.texts[row])

    def feed(self):
        some = self.dice.sample(list(self.texts), self.dice.randint(1, len(self.texts)))
        feeds = [self.one(row) for row in some]
        for row in some:
            if self.dice.random() < 0.3:
                self.rows.mark(row)
        found = iter(self.rows.step(feeds))
        for feed in feeds:
            self.texts[feed.row] = [*self.texts[feed.row], *feed.ids]
            assert feed.row.length == len(self.texts[feed.row])
            self.compare(feed, found)

    def one(self, row):
        count = self.dice.choice([1, 1, 1, 2, 3, 5, 9])
        ids = [self.dice.randrange(3, 256) for _ in range(count)]
        keep = sorted(self.dice.sample(range(count), self.dice.randint(0, count)))
        return Feed(row, ids, keep)

    def compare(self, feed, found):
        if not feed.keep:
            return
        ids = torch.tensor([self.texts[feed.row]])
        alone = self.model.module(ids, use_cache=False).logits[0, -len(feed.ids) :]
        for k in feed.keep:
            self.worst = max(self.worst, (next(found) - alone[k]).abs().max().item())


KINDS = {
    "Qwen2": {"num_key_value_heads": 2, "intermediate_size": 64},
    "GPTNeoX": {"intermediate_size": 64},
    "Mistral": {"num_key_value_heads": 2, "intermediate_size": 64, "sliding_window": 7},
    "Gemma2": {
        "num_key_value_heads": 2,
        "intermediate_size": 64,
        "sliding_window": 7,
        "head_dim": 8,
        "attn_implementation": "eager",
    },
}


@pytest.mark.parametrize("seed", range(3))
@torch.inference_mode()
def test_rows_of_unlike_length_read_as_if_alone(local, seed):
    model = local("stories260K")
    assert Schedule(Attention(model), model, seed).run(150) < CLOSE


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_other_architectures_and_windows_read_as_if_alone(local, kind):
    local("stories260K")
    model = small(kind, **KINDS[kind])
    assert Schedule(Attention(model), model, 1).run(80) < CLOSE


@pytest.mark.parametrize("seed", range(3))
@torch.inference_mode()
def test_states_read_as_if_alone(local, seed):
    model = local("rwkv4-660K-bytes")
    assert Schedule(States(model), model, seed).run(100) < CLOSE


@torch.inference_mode()
def test_separate_rows_read_as_if_alone(local):
    model = local("stories260K")
    assert Schedule(Separate(model), model, 0).run(60) < CLOSE


@torch.inference_mode()
def test_states_come_back_to_a_mark_and_no_further(local):
    states = States(local("rwkv4-660K-bytes"))
    row = states.join()
    states.step([Feed(row, [5, 6, 7], ())])
    states.mark(row)
    states.step([Feed(row, [8, 9], ())])
    assert states.crop(row, 4) == 3
    assert states.crop(row, 2) == 0


@torch.inference_mode()
def test_a_failed_step_changes_nothing(local):
    for table in (Attention(local("stories260K")), States(local("rwkv4-660K-bytes"))):
        one, two = table.join(), table.join()
        table.step([Feed(one, [5, 6, 7], ()), Feed(two, [5], ())])
        with pytest.raises(IndexError):
            table.step([Feed(one, [8], [0]), Feed(two, [10**6, 1, 2, 3, 4, 5], [5])])
        assert (one.length, two.length) == (3, 1)
        got = table.step([Feed(one, [8], [0])])
        alone = table.model.module(torch.tensor([[5, 6, 7, 8]]), use_cache=False).logits[0, -1]
        assert torch.allclose(got[0], alone, atol=CLOSE)


def test_live_rows_stay_a_prefix():
    slots = Slots(torch.device("cpu"))
    rows = [slots.join() for _ in range(6)]
    slots.leave(rows[1])
    slots.leave(rows[5])
    assert [row.index for row in slots.live] == [0, 1, 2, 3]
    assert set(slots.live) == {rows[0], rows[2], rows[3], rows[4]}


@torch.inference_mode()
def test_what_is_no_number_does_not_reach_the_next_tenant(local):
    model = local("stories260K")
    table = Attention(model)
    first, second = table.join(), table.join()
    table.step([Feed(first, [5, 6, 7], ()), Feed(second, [5, 6], ())])
    for values in table._values:
        values[first.index, :, 1] = torch.nan
    table.leave(first, wipe=True)
    new = table.join()
    table.step([Feed(new, [9], ())])
    assert table.step([Feed(new, [8], [0]), Feed(second, [8], [0])]).isfinite().all()

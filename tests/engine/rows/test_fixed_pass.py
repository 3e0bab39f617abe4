"""Passes of fixed shapes give each row the logits of its text read alone."""

import pytest
import torch

from composer.engine.rows.attention import BatchedAttention
from composer.engine.rows.fixed_pass import fixed_pass
from composer.engine.static.shape import rounded_cells, rounded_rows

KINDS = [
    ("Llama", {"num_key_value_heads": 2}),
    ("Mistral", {"sliding_window": 5, "num_key_value_heads": 2}),
    ("Gemma2", {"sliding_window": 5, "num_key_value_heads": 2, "head_dim": 8}),
    ("GPT2", {"n_positions": 128}),
    ("GPTNeoX", {"intermediate_size": 48}),
]


@pytest.fixture
def stepping(schedule):
    """A schedule in which rows also read one token by a pass of fixed shapes."""

    class Stepping(schedule):
        steps = 0

        def feed(self):
            if self.dice.random() < 0.4:
                super().feed()
            else:
                self.step()

        def step(self):
            rows = [row for row in self.texts if 0 < row.length < 110]
            rows = self.dice.sample(rows, min(len(rows), self.dice.randint(1, 9)))
            if not rows:
                return
            count = rounded_rows(max(row.index for row in rows) + 1)
            self.steps += 1
            reach = rounded_cells(max(row.length for row in rows) + 1)
            self.rows.reserve(max(reach, *(row.length + 1 for row in self.texts)))
            ids = [self.dice.randrange(3, 97) for _ in range(count)]
            live = [row.length for row in self.rows.live[:count]]
            places = torch.tensor(live + [0] * (count - len(live)))
            logits = fixed_pass(self.rows, torch.tensor(ids), places, reach)
            for row in rows:
                row.length += 1
                self.texts[row] = [*self.texts[row], ids[row.index]]
                text = torch.tensor([self.texts[row]])
                alone = self.model.module(text, use_cache=False).logits[0, -1]
                gap = (logits[row.index] - alone).abs().max() / alone.abs().max()
                self.worst = max(self.worst, gap.item())

    return Stepping


@pytest.mark.parametrize("packs", [True, False])
@pytest.mark.parametrize(("kind", "options"), KINDS, ids=[kind for kind, _ in KINDS])
@torch.inference_mode()
def test_rows_join_leave_and_change_between_both_ways(kind, options, packs, small, stepping):
    model = small(kind, **options)
    for seed in range(2):
        tried = stepping(BatchedAttention(model, packs=packs), model, seed)
        assert tried.run(50) < 1e-4
        assert tried.steps > 5


@torch.inference_mode()
def test_a_row_that_waits_is_not_changed(small):
    model = small("Llama")
    rows = BatchedAttention(model, packs=True)
    from composer.engine.rows.row import Feed

    waits, reads = rows.allocate(), rows.allocate()
    rows.forward([Feed(waits, [5, 6, 7], ()), Feed(reads, [8, 9], ())])
    before = [table[0, :, :3].clone() for table in rows._tables]
    fixed_pass(rows, torch.tensor([0, 4]), torch.tensor([3, 2]), 64)
    assert all(torch.equal(a, t[0, :, :3]) for a, t in zip(before, rows._tables, strict=True))
    assert (waits.length, reads.length) == (3, 2)

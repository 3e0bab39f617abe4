"""Random schedules of rows that join, leave, fork, crop and feed, against texts read alone."""

from pathlib import Path

import pytest
import torch
from fusing import checkpoint

from composer.engine.rows.attention import BatchedAttention
from composer.engine.rows.kv_cache import KeyValueCache
from composer.engine.rows.recurrent import RecurrentStates
from composer.engine.rows.row import Feed
from composer.engine.rows.separate import SeparateCaches
from composer.engine.weights.local import load

MODELS = Path(__file__).parents[4] / "shared" / "data" / "models"
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
            made[name] = load(checkpoint(name, MODELS / name))
        return made[name]

    return find


@pytest.mark.parametrize("seed", range(3))
@torch.inference_mode()
def test_rows_of_unlike_length_read_as_if_alone(local, schedule, seed):
    model = local("stories260K")
    assert schedule(BatchedAttention(model, packs=True), model, seed).run(60) < CLOSE


@pytest.mark.parametrize("seed", range(3))
@torch.inference_mode()
def test_states_read_as_if_alone(local, schedule, seed):
    model = local("rwkv4-660K-bytes")
    assert schedule(RecurrentStates(model), model, seed).run(40) < CLOSE


@torch.inference_mode()
def test_separate_rows_read_as_if_alone(local, schedule):
    model = local("stories260K")
    assert schedule(SeparateCaches(model), model, 0).run(60) < CLOSE


@torch.inference_mode()
def test_states_come_back_to_a_mark_and_no_further(local):
    states = RecurrentStates(local("rwkv4-660K-bytes"))
    row = states.allocate()
    states.forward([Feed(row, [5, 6, 7], ())])
    states.snapshot(row)
    states.forward([Feed(row, [8, 9], ())])
    assert states.crop(row, 4) == 3
    assert states.crop(row, 2) == 0


@torch.inference_mode()
def test_a_failed_step_changes_nothing(local):
    for table in (
        BatchedAttention(local("stories260K"), packs=True),
        RecurrentStates(local("rwkv4-660K-bytes")),
    ):
        one, two = table.allocate(), table.allocate()
        table.forward([Feed(one, [5, 6, 7], ()), Feed(two, [5], ())])
        with pytest.raises(IndexError):
            table.forward([Feed(one, [8], [0]), Feed(two, [10**6, 1, 2, 3, 4, 5], [5])])
        assert (one.length, two.length) == (3, 1)
        got = table.forward([Feed(one, [8], [0])])
        alone = table.model.module(torch.tensor([[5, 6, 7, 8]]), use_cache=False).logits[0, -1]
        assert torch.allclose(got[0], alone, atol=CLOSE)


def test_live_rows_stay_a_prefix():
    slots = KeyValueCache(torch.device("cpu"))
    rows = [slots.allocate() for _ in range(6)]
    slots.free(rows[1])
    slots.free(rows[5])
    assert [row.index for row in slots.live] == [0, 1, 2, 3]
    assert set(slots.live) == {rows[0], rows[2], rows[3], rows[4]}


@torch.inference_mode()
def test_what_is_no_number_does_not_reach_the_next_tenant(local):
    model = local("stories260K")
    table = BatchedAttention(model, packs=True)
    first, second = table.allocate(), table.allocate()
    table.forward([Feed(first, [5, 6, 7], ()), Feed(second, [5, 6], ())])
    for values in table._values:
        values[first.index, :, 1] = torch.nan
    table.free(first, wipe=True)
    new = table.allocate()
    table.forward([Feed(new, [9], ())])
    assert table.forward([Feed(new, [8], [0]), Feed(second, [8], [0])]).isfinite().all()

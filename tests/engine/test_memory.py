"""Memory that runs out while answers are written."""

import pytest
import torch
from fusing import Job, TokenFuse
from torch import nn

from composer.engine.engine import Engine
from composer.engine.memory import memory_full, ran_out
from composer.engine.rows.kv_cache import KeyValueCache
from composer.engine.weights.local import load
from composer.values import ModelError, Sampling

CUDA = "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.10 GiB"
CPU = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4096 bytes. Error code 12"


def job(member, text, max_tokens=8):
    return Job(member, ((("user", text),),), Sampling(max_tokens=max_tokens))


class Bounded(nn.Module):
    """A layer that has memory for passes of so many tokens; `passes` are those that were tried."""

    def __init__(self):
        super().__init__()
        self.most, self.passes = 10**6, []

    def forward(self, hidden):
        count = hidden.shape[0] * hidden.shape[1]
        self.passes.append(count)
        if count > self.most:
            raise torch.OutOfMemoryError(CUDA)
        return hidden


@pytest.fixture
def bounded(model):
    """An engine whose models have such a layer, which is returned beside it."""
    layer = Bounded()

    def loader(checkpoint, device):
        made = load(checkpoint, device)
        if checkpoint.name == "stories":
            made.module.model.norm = nn.Sequential(layer, made.module.model.norm)
        return made

    with Engine(loader=loader) as engine:
        engine.load(model("stories")).result(60)
        layer.passes.clear()
        yield engine, layer


def test_rows_are_read_in_halves_and_only_the_one_that_cannot_fit_fails(model, bounded, write):
    engine, layer = bounded
    texts = ["Lily", "Tom ran", "A big dog", "Once upon a time, there was a little girl", "Ben"]
    alone = [write(model("stories"), text, max_tokens=8).text for text in texts]
    layer.most = 12
    tasks = [engine.task(job(model("stories"), text), None) for text in texts]
    engine.begin(tasks)
    with pytest.raises(ModelError) as told:
        tasks[3].future.result(60)
    assert (told.value.code, "20.00 MiB more were asked for" in str(told.value)) == ("E730", True)
    assert "beside 4 other rows" in str(told.value)
    made = [task.future.result(60).text for n, task in enumerate(tasks) if n != 3]
    assert made == [text for n, text in enumerate(alone) if n != 3]
    assert layer.passes[:6] == [29, 13, 7, 6, 16, 13]  # halves, and halves of those that fail


def test_answers_that_were_done_are_kept_and_the_engine_goes_on(model, bounded, write):
    engine, layer = bounded
    done = engine.generate(job(model("stories"), "Lily")).result(60)
    layer.most = 3
    with pytest.raises(ModelError, match="no memory left"):
        engine.generate(job(model("stories"), "Once upon a time")).result(60)
    layer.most = 10**6
    assert engine.generate(job(model("stories"), "Lily")).result(60) == done


def test_a_fuse_with_leave_goes_on_without_the_member_that_has_no_room(model, bounded):
    engine, layer = bounded
    fuse = TokenFuse((model("rwkv"), model("stories")), ("a", "b"), leave=True)
    engine.load(model("rwkv")).result(60)
    layer.most = 3
    result = engine.generate(job(fuse, "Once upon a time", max_tokens=4)).result(60)
    assert "no memory left" in str(result)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError(CUDA), RuntimeError(CPU), MemoryError()])
def test_what_says_that_memory_ran_out_is_recognized(error):
    assert ran_out(error)


def test_the_message_tells_how_much_was_asked_for():
    assert not ran_out(RuntimeError("shapes differ"))
    assert "4096 bytes more were asked for" in str(memory_full(RuntimeError(CPU)))
    assert str(memory_full(MemoryError())).count("asked for") == 0


def test_tables_grow_by_as_little_as_fits(monkeypatch):
    cache = KeyValueCache(torch.device("cpu"), rows=2, room=4)
    tried, widen = [], cache._widen

    def tight(rows, room):
        tried.append((rows, room))
        if rows * room > 20:
            raise torch.OutOfMemoryError(CUDA)
        widen(rows, room)

    monkeypatch.setattr(cache, "_widen", tight)
    for _ in range(5):
        cache.allocate()
    assert tried == [(4, 4), (8, 4), (5, 4)]
    with pytest.raises(torch.OutOfMemoryError):
        cache.allocate()
    assert len(cache.live) == 5

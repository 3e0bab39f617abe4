"""A step in which rows write reads one chunk of prompts for each model, no more."""

from types import SimpleNamespace

import pytest
import torch
from fusing import Job

from composer.engine.requests import reading
from composer.engine.requests.prompt_room import PromptRoom
from composer.engine.rows.row import Feed
from composer.values import Sampling

WRITES = SimpleNamespace(ids=[1] * 9, row=SimpleNamespace(length=8))


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(reading, "_CHUNK", 20)


def waiting(*states):
    return [SimpleNamespace(sequence=SimpleNamespace(states=dict(enumerate(states))))]


def read(count, place="a", first=0):
    runner = SimpleNamespace(model=SimpleNamespace(device=torch.device("cpu")))
    state = SimpleNamespace(slot=SimpleNamespace(runner=runner))
    one = SimpleNamespace(forward_pass=place, state=state)
    return [(one, Feed(None, range(first, first + count), ()))]


def test_the_first_prompt_has_room_and_others_if_they_fit_beside_it():
    room = PromptRoom(waiting(WRITES))
    assert [room.admits(read(n, first=n)) for n in (12, 9, 1, 8)] == [True, False, True, True]
    room = PromptRoom(waiting(WRITES))
    assert [room.admits(read(n, first=n)) for n in (12, 9, 50)] == [True, False, False]
    assert PromptRoom(waiting(WRITES)).admits(read(50))


def test_models_and_equal_prompts_are_counted_once_each():
    room = PromptRoom(waiting(WRITES))
    assert all(room.admits(read(15, place)) for place in "ab")
    assert room.admits(read(15))
    assert not room.admits(read(15, first=1))


def test_where_nobody_writes_all_prompts_are_read_together():
    reads = SimpleNamespace(ids=[1] * 30, row=SimpleNamespace(length=0))
    room = PromptRoom(waiting(reads))
    assert all(room.admits(read(15, first=n)) for n in range(4))


def test_rows_that_write_wait_for_one_chunk_at_most(model, engine, monkeypatch):
    one = model("stories")
    (runner,) = engine._pool.get([one])
    plain, passes = runner.forward, []

    def forward(feeds, **options):
        passes.append([len(feed.ids) for feed in feeds])
        return plain(feeds, **options)

    monkeypatch.setattr(runner, "forward", forward)
    words = ["dog", "cat", "bird", "fish", "hat"]
    texts = [f"{word} " * 45 for word in words]
    begun = []

    def begin(_):
        if not begun:
            begun.extend(engine.generate(job(one, text)) for text in texts)

    first = engine.generate(job(one, "Lily", max_tokens=60), begin).result(60)
    assert [len(each.result(60).tokens) for each in begun] == [4] * 5
    assert first.text
    assert sum(map(sum, passes)) > 5 * 45
    assert max(sum(each) for each in passes if 1 in each) <= 20 + 6


def job(member, text, max_tokens=4):
    return Job(member, ((("user", text),),), Sampling(max_tokens=max_tokens))

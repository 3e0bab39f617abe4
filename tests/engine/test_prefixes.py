"""Rows that are closed are kept for a while: a later row takes over what it begins with."""

from types import SimpleNamespace

import pytest
import torch
from fusing import MEAN, Job, TokenFuse
from hypothesis import given
from hypothesis import strategies as st

from composer.engine.engine import Engine
from composer.engine.rows.prefixes import PrefixCache, _common
from composer.engine.rows.row import CacheRow, Feed, Saved, TokenCount
from composer.engine.rows.runner import Runner
from composer.engine.sequence import MemberState
from composer.values import Sampling

PROMPT = (("user", "Once upon a time there was a girl who had a red ball."),)


@pytest.fixture
def read(monkeypatch):
    """The number of tokens of each row in each forward pass."""
    passes = []
    forward = Runner.forward

    def counted(runner, feeds, **how):
        passes.append([len(feed.ids) for feed in feeds])
        return forward(runner, feeds, **how)

    monkeypatch.setattr(Runner, "forward", counted)
    return passes


@pytest.fixture
def without(monkeypatch):
    """Let nothing be kept."""
    monkeypatch.setattr(PrefixCache, "keep", lambda *_: None)


def asked(engine, model, prefix="", prompt=PROMPT, **how):
    how = Sampling(**{"max_tokens": 12, **how})
    return engine.generate(Job(model, (prompt,), how, None, prefix)).result(60)


def search(model, seeds=(1, 2), levels=3):
    """Go on from the last of several draws, level by level, as a search over steps does."""
    said, prefix = [], ""
    with Engine() as engine:
        for _ in range(levels):
            hows = [Sampling(temperature=1.0, max_tokens=9, seed=seed) for seed in seeds]
            tasks = [engine.task(Job(model, (PROMPT,), how, None, prefix), None) for how in hows]
            engine.begin(tasks)
            drawn = [task.future.result(60) for task in tasks]
            said += [(each.text, each.usage) for each in drawn]
            prefix += drawn[-1].text
    return said


@pytest.mark.parametrize("name", ["stories", "rwkv"])
def test_leaves_of_a_tree_read_what_is_new_to_them(model, read, monkeypatch, name):
    """The answers and what is billed stay as they are without; much less is read."""
    kept, few = search(model(name)), sum(map(sum, read))
    read.clear()
    monkeypatch.setattr(PrefixCache, "keep", lambda *_: None)
    assert search(model(name)) == kept
    assert few < 0.6 * sum(map(sum, read))


def test_a_state_of_tokens_that_were_taken_back_is_not_kept(model):
    with Engine() as engine:
        asked(engine, model("rwkv"), max_tokens=1)
        (runner,) = engine._pool.runners()
        rows, ids = runner.rows, list(range(1, 30))
        with torch.inference_mode():
            row = rows.allocate()
            rows.forward([Feed(row, ids[:20], ())])
            assert [held for held, _ in rows.save(row).states] == [20, 20]
            rows.crop(row, 10)
            rows.forward([Feed(row, ids[:1], ())])
            assert [held for held, _ in rows.save(row).states] == [1]
            rows.free(row)


def test_members_of_a_fuse_keep_their_rows_each(model, read):
    both = TokenFuse((model("stories"), model("shakespeare")), ("a", "b"), combine=MEAN)
    with Engine() as engine:
        text = asked(engine, both).text
        read.clear()
        asked(engine, both, prefix=text, max_tokens=1)
    assert [max(each) < 6 for each in read] == [True] * len(read)


@pytest.mark.usefixtures("without")
def test_draws_behind_a_partial_answer_read_it_once(model, read):
    prompt = len(read)
    search(model("stories"), seeds=(1,), levels=2)
    alone = sum(map(sum, read[prompt:]))
    read.clear()
    search(model("stories"), seeds=(2, 3, 4, 1), levels=2)
    assert sum(map(sum, read)) <= alone + 3 * 2 * 9


def test_a_chat_reads_only_its_last_turns(model, read):
    with Engine() as engine:
        text = asked(engine, model("stories"), prompt=PROMPT).text
        read.clear()
        chat = (*PROMPT, ("assistant", text), ("user", "And then?"))
        whole = asked(engine, model("stories"), prompt=chat, max_tokens=3)
        prompt = whole.usage["stories"].prompt_tokens
    with Engine() as engine:
        assert asked(engine, model("stories"), prompt=chat, max_tokens=3).text == whole.text
    assert read[0][0] < 0.7 * prompt


def test_what_was_answered_before_is_answered_alike_to_the_last_bit(model, read):
    with Engine() as engine:
        first = asked(engine, model("stories"))
        read.clear()
        again = asked(engine, model("stories"))
    assert again == first
    assert read[0] == [first.usage["stories"].prompt_tokens]


def test_a_failed_pass_gives_up_what_is_kept(model, monkeypatch):
    with Engine() as engine:
        asked(engine, model("stories"))
        (runner,) = engine._pool.runners()
        assert len(runner.prefixes) == 1
        monkeypatch.setattr(runner.rows, "forward", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            asked(engine, model("stories"), prompt=(("user", "Why?"),))
        assert len(runner.prefixes) == 0


@pytest.mark.parametrize("may_hold_nan", [False, True])
def test_a_row_that_may_hold_nan_is_not_kept(may_hold_nan):
    prefixes = PrefixCache(Rows())
    slot = SimpleNamespace(runner=SimpleNamespace(prefixes=prefixes))
    counts = TokenCount(may_hold_nan=may_hold_nan)
    MemberState(slot, CacheRow(0, 10), numbers(0, 10), counts=counts).keep()
    assert len(prefixes) == 1 - may_hold_nan


class Rows:
    """Rows that hold nothing but what is loaded into them; each saved one has 10 bytes a token."""

    def __init__(self, *, crops=True):
        self.crops, self.loaded = crops, []

    def save(self, row):
        return Saved([(row.length, None)], 10 * row.length, crops=self.crops)

    def load(self, row, saved, length):
        row.length = saved.longest(length)
        self.loaded.append(row.length)
        return row.length


def kept(cache, ids):
    row = CacheRow(0, len(ids))
    cache.keep(row, ids)


def filled(cache, ids):
    row = CacheRow(0)
    cache.fill(row, ids)
    return row.length


def numbers(start, count):
    return list(range(start, start + count))


def test_the_longest_beginning_is_taken():
    cache = PrefixCache(Rows())
    kept(cache, [*numbers(0, 10), 99])
    kept(cache, [*numbers(0, 14), 99])
    assert filled(cache, numbers(0, 20)) == 14
    assert filled(cache, numbers(0, 15)) == 14


def test_nothing_is_taken_from_a_row_that_had_read_all_of_them():
    cache = PrefixCache(Rows())
    kept(cache, numbers(0, 12))
    assert [filled(cache, numbers(0, count)) for count in (11, 12, 13)] == [0, 0, 12]


def test_a_state_that_cannot_be_cropped_is_taken_whole_or_not_at_all():
    cache = PrefixCache(Rows(crops=False))
    kept(cache, numbers(0, 10))
    kept(cache, numbers(0, 14))
    assert len(cache) == 2
    assert filled(cache, numbers(0, 20)) == 14
    assert filled(cache, [*numbers(0, 12), 99, 99]) == 10


@pytest.mark.parametrize("ids", [numbers(0, 40), numbers(5, 10), [*numbers(0, 7), 99, 99]])
def test_where_most_must_be_read_anyway_nothing_is_taken(ids):
    cache = PrefixCache(Rows())
    kept(cache, numbers(0, 12))
    assert filled(cache, ids) == 0


def test_a_longer_row_stands_for_what_it_begins_with():
    cache = PrefixCache(Rows())
    for count in (10, 30, 20):
        kept(cache, numbers(0, count))
    assert (len(cache), cache.bytes) == (1, 300)


def test_the_least_recently_used_are_given_up():
    cache = PrefixCache(Rows())
    for start in range(16):
        kept(cache, numbers(100 * start, 10))
    assert filled(cache, numbers(0, 12)) == 10
    kept(cache, numbers(9000, 10))
    assert len(cache) == 16
    assert filled(cache, numbers(0, 12)) == 10
    assert filled(cache, numbers(100, 12)) == 0


def test_bytes_are_bounded():
    cache = PrefixCache(Rows())
    cache.most_bytes = 250
    kept(cache, numbers(0, 10))
    kept(cache, numbers(100, 12))
    kept(cache, numbers(200, 12))
    assert cache.bytes == 240
    kept(cache, numbers(300, 26))
    assert filled(cache, numbers(300, 27)) == 0


def test_if_memory_runs_out_everything_is_given_up(monkeypatch):
    rows = Rows()
    cache = PrefixCache(rows)
    kept(cache, numbers(0, 10))

    def full(_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(rows, "save", full)
    kept(cache, numbers(100, 10))
    assert len(cache) == 0


@given(st.lists(st.integers(0, 1), max_size=30), st.lists(st.integers(0, 1), max_size=30))
def test_equal_beginnings_are_counted(left, right):
    left, right = numbers(50, 8) + left, numbers(50, 8) + right
    pairs = enumerate(zip(left, right, strict=False))
    expected = next((n for n, (a, b) in pairs if a != b), min(len(left), len(right)))
    assert _common(left, right) == expected

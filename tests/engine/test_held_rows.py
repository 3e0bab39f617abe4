"""Sessions that leave rows open for later ones: others wait for these rows, and nobody for ever."""

import time

import pytest
from fusing import Job, SpanFuse

from composer.engine.engine import Engine
from composer.engine.pool import weight_bytes
from composer.engine.sequence import SequenceState
from composer.values import Sampling

ASKED = ((("user", "What is 2 + 2?"),),)


class Holder:
    """A sequence that stays open between two sessions."""

    def __init__(self, engine, model):
        self.engine, self.model, self.sequence = engine, model, None

    def begin(self):
        async def opened(group):
            self.sequence = SequenceState.open(group, (1.0,), {0: [1, 2, 3]})

        self.engine.run(self.model, opened, holds=True).result(60)

    def end(self):
        async def closed(_):
            self.sequence.close()

        self.engine.run(self.model, closed, holds=True).result(60)


def job(model, tokens=4):
    return Job(model, ASKED, Sampling(max_tokens=tokens))


@pytest.fixture
def pair(zoo):
    return zoo("general-1"), zoo("other")


def room(pair):
    """Bytes for one of two models, not for both."""
    return max(weight_bytes(each, "cpu") for each in pair) * 3 // 2


def test_a_job_waits_for_memory_that_held_rows_keep(pair):
    with Engine({"cpu": room(pair)}) as engine:
        holder = Holder(engine, pair[0])
        holder.begin()
        waiting = engine.generate(job(pair[1]))
        time.sleep(0.05)
        assert not waiting.done()
        assert engine.generate(job(pair[1])).cancel()
        holder.end()
        assert waiting.result(60).text


def test_an_engine_that_waits_for_held_rows_sleeps(pair):
    with Engine({"cpu": room(pair)}) as engine:
        holder = Holder(engine, pair[0])
        holder.begin()
        waiting = engine.generate(job(pair[1]))
        time.sleep(0.1)
        before = time.process_time()
        time.sleep(0.2)
        assert time.process_time() - before < 0.1
        holder.end()
        waiting.result(60)


def test_held_rows_may_be_more_than_the_engine_has(zoo):
    model = zoo("general-1")
    with Engine(rows=1) as engine:
        holders = [Holder(engine, model) for _ in range(3)]
        for holder in holders:
            holder.begin()
        waiting = engine.generate(job(model))
        for holder in holders:
            assert not waiting.done()
            holder.end()
        assert waiting.result(60).text


def test_fuses_that_need_more_rows_than_there_are_take_turns(zoo):
    models = zoo("general-1"), zoo("maths")
    with Engine(rows=4) as engine:
        made = [engine.generate(job(SpanFuse(models, ("a", "b")), 8)) for _ in range(3)]
        assert len({future.result(60).text for future in made}) == 1

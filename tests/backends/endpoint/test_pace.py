"""Limits: no minute has more requests or tokens than they say, and no moment more requests."""

import asyncio
import random

import pytest

from composer.backends.endpoint.transport.pace import WINDOW, Limits, Pace, Slots


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def booked(limits, seed, count=80):
    """Book requests at random times; give when each may be sent, and its tokens."""
    draws, clock = random.Random(seed), Clock()
    pace = Pace(clock=clock)
    entries = []
    for _ in range(count):
        clock.now += draws.choice([0, 0, 0, draws.expovariate(0.3), draws.uniform(0, 90)])
        entries.append(pace.book(limits, draws.choice([1, 10, 300])))
        assert entries[-1][0] >= clock.now
    return entries


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "limits", [Limits(requests=1), Limits(requests=7), Limits(requests=5, tokens=400)]
)
def test_no_minute_has_more_requests(limits, seed):
    times = [at for at, _ in booked(limits, seed)]
    assert times == sorted(times)
    assert all(sum(at <= other < at + 60 for other in times) <= limits.requests for at in times)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tokens", [300, 1000])
def test_no_minute_has_more_tokens(tokens, seed):
    entries = booked(Limits(tokens=tokens), seed)
    minutes = (sum(t for other, t in entries if at <= other < at + 60) for at, _ in entries)
    assert max(minutes) <= tokens


def test_a_request_is_not_held_longer_than_it_must_be():
    pace = Pace(clock=Clock())
    times = [pace.book(Limits(requests=2), 1)[0] for _ in range(5)]
    assert times == [0, 0, WINDOW, WINDOW, 2 * WINDOW]


def test_a_request_with_more_tokens_than_a_minute_may_have_is_sent_alone():
    pace = Pace(clock=Clock())
    times = [pace.book(Limits(tokens=100), tokens)[0] for tokens in (50, 500, 50)]
    assert times == [0, WINDOW, 2 * WINDOW]


def test_less_than_one_request_a_minute_is_one_in_several():
    pace = Pace(clock=Clock())
    times = [pace.book(Limits(requests=0.5), 1)[0] for _ in range(3)]
    assert times == [0, 2 * WINDOW, 4 * WINDOW]


def test_models_with_and_without_limits_share_one_pace():
    pace = Pace(clock=Clock())
    assert [pace.book(Limits(), 1)[0] for _ in range(3)] == [0, 0, 0]
    assert pace.book(Limits(requests=3), 1)[0] == WINDOW
    assert pace.book(Limits(), 1)[0] == 0


def test_a_request_that_was_cancelled_leaves_its_time_to_the_next():
    async def wait_and_cancel():
        pace = Pace()
        await pace.wait(Limits(requests=1), 1)
        waiting = asyncio.create_task(pace.wait(Limits(requests=1), 1))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        return pace.book(Limits(requests=1), 1)[0] - pace.clock()

    assert asyncio.run(wait_and_cancel()) == pytest.approx(WINDOW, abs=1)


@pytest.mark.parametrize("seed", range(5))
def test_no_moment_has_more_requests_than_the_limit_of_each(seed):
    draws, slots, running, most = random.Random(seed), Slots(), [], []

    async def request(limit):
        async with slots.one(limit):
            running.append(limit)
            most.append((len(running), limit))
            try:
                await asyncio.sleep(draws.choice([0, 0.001]))
            finally:
                running.remove(limit)

    async def many():
        tasks = [asyncio.create_task(request(draws.choice([2, 5]))) for _ in range(60)]
        await asyncio.sleep(0.002)
        for task in draws.sample(tasks, 20):
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        async with asyncio.timeout(1), slots.one(1):
            return

    asyncio.run(many())
    assert all(count <= limit for count, limit in most)
    assert max(count for count, _ in most) == 5

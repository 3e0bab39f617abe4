"""The simulator of a fleet, on cases that are worked by hand."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

BENCHMARKS = str(Path(__file__).parents[2] / "benchmarks")
sys.path.insert(0, BENCHMARKS)
try:
    from fleet import BASE, Sized, table
    from fleet_queues import Fleet, Job, Replica, Stage, percentile
    from fleet_roofline import Gpu, Pass, Shape
finally:
    sys.path.remove(BENCHMARKS)

TINY = Shape("tiny", 5, 5, 1, 0, 1)
"""Ten bytes are read in a pass, and a token in a cache is one byte."""

SLOW = Gpu("slow", 1000, 1000, 1e12, 1.0, 1.0)
"""A pass over TINY takes 10 ms, by its bytes; computing takes no time to speak of."""


def stage(**how):
    return Stage("S", SLOW, TINY, **{"replicas": 1, "host": 0.0, "rows": 1, **how})


def fixed(prompt, answer):
    return lambda _rng: (prompt, answer)


def test_a_pass_of_few_tokens_is_bound_by_memory_and_of_many_by_computing():
    gpu = Gpu("g", 1e9, 100.0, 1000.0, 0.5, 0.5)
    few, many = (Pass.of(gpu, TINY, tokens, 0, 0.1) for tokens in (1, 100))
    assert few.memory == 10 / 50
    assert few.computing == 10 / 500
    assert few.seconds == pytest.approx(0.2 + 0.1)
    assert many.seconds == pytest.approx(1000 / 500 + 0.1)


def test_caches_are_read_beside_the_weights():
    assert Pass.of(SLOW, TINY, 1, 30, 0.0).memory == pytest.approx((10 + 30) / 1000)


def test_attention_computes_over_the_context_of_each_row():
    gpu, wide = Gpu("g", 1, 1e12, 1.0, 1.0, 1.0), Shape("w", 5, 5, 2, 3, 0)
    assert Pass.of(gpu, wide, 2, 14, 0).computing == 2 * 10 + 4 * 2 * 3 * 14


def test_an_answer_takes_one_step_for_its_prompt_and_one_for_each_token():
    replica = Replica(stage())
    replica.queue.append(Job(4, 2, 0.0))
    ended = []
    for step in range(1, 5):
        if replica.begin(0.0) is not None:
            ended += [(step, job) for job in replica.end()]
    assert [step for step, _ in ended] == [3]
    assert replica.begin(0.0) is None
    assert replica.context == replica.reserved == 0


def test_a_long_prompt_is_read_in_chunks():
    replica = Replica(stage(chunk=4))
    replica.queue.append(Job(10, 1, 0.0))
    steps = 0
    while replica.begin(0.0) is not None:
        list(replica.end())
        steps += 1
    assert steps == 3 + 1


def test_rows_join_while_caches_have_room():
    narrow = replace(stage(rows=8), gpu=replace(SLOW, memory=(10 + 25) / 0.9))
    replica = Replica(narrow)
    replica.queue.extend(Job(5, 5, 0.0) for _ in range(3))
    replica.begin(0.0)
    assert (len(replica.reading), len(replica.queue)) == (2, 1)


def test_members_step_one_after_the_other():
    fleet = Fleet([stage(members=3, rows=1)], 0.1, fixed(0, 1), seed=1)
    fleet.run(100)
    assert min(fleet.latencies) == pytest.approx(2 * 3 * 0.01, rel=0.06)


def test_the_wait_for_one_server_is_that_of_pollaczek_and_khinchine():
    flat = replace(TINY, cache=0)
    fleet = Fleet([replace(stage(), shape=flat)], rate=20.0, lengths=fixed(1, 2), seed=3)
    fleet.run(500, warm=20)
    service, busy = 3 * 0.01, 20 * 3 * 0.01
    waits = fleet.figures[0].waits
    assert fleet.figures[0].busy / 480 == pytest.approx(busy, rel=0.05)
    assert sum(waits) / len(waits) == pytest.approx(busy * service / (2 * (1 - busy)), rel=0.2)


def test_the_queries_inside_are_the_rate_times_their_seconds():
    stages = [stage(rows=8), stage(rows=4, replicas=2)]
    fleet = Fleet(stages, 20.0, fixed(3, 5), share=0.5, heads=2, head_seconds=0.02, seed=5)
    fleet.run(150, warm=20)
    inside = fleet.inside_area / 130
    assert inside == pytest.approx(20 * sum(fleet.latencies) / len(fleet.latencies), rel=0.05)


def test_a_head_that_is_too_slow_lets_its_queue_grow():
    fleet = Fleet([stage(rows=64)], 20.0, fixed(1, 1), head_seconds=0.1)
    fleet.run(100)
    assert fleet.head_waits[-1] > 30


def test_the_share_of_queries_goes_on():
    fleet = Fleet([stage(rows=8), stage(rows=8)], 10.0, fixed(1, 1), share=0.3, seed=2)
    fleet.run(200)
    ratio = len(fleet.figures[1].waits) / len(fleet.figures[0].waits)
    assert ratio == pytest.approx(0.3, abs=0.05)


def test_the_work_of_an_answer_is_a_bound_of_what_the_simulation_needs():
    case = replace(BASE, rate=20, prompt=100, answer=20)
    sized = Sized.of(case, 15)
    bound = [each.work(100, 20) for each in case.stages]
    assert sized.replicas[0] >= 20 * bound[0]
    assert sized.replicas[1] >= 5 * bound[1]
    assert sized.fleet.latencies


def test_tables_and_percentiles():
    assert table(["a"], [["1"]]) == "| a |\n| --- |\n| 1 |"
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0

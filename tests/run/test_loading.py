"""Loading is told, and no answer's seconds count it."""

import time

import pytest

import composer
from composer.run import Result
from composer.run.engine_host import EngineHost, LoadingTimer
from composer.run.trace import Trace
from composer.values.results import Usage, dollars

ZOO = (
    'model A = zoo("general-1")\nmodel B = zoo("maths")\nA(max_tokens = 4) -> cascade(B, accept = '
)


def test_the_clock_stands_still_while_something_loads():
    told = []
    timer = LoadingTimer(told.append)
    trace = Trace("1", "q", clock=timer.clock)
    with timer.loading("A"):
        before = trace.now()
        time.sleep(0.05)
        assert trace.now() == before
    assert told == ["A"]
    assert timer.seconds >= 0.05
    assert trace.now() < 0.05


def test_what_is_loaded_is_told_once_and_not_counted():
    told = []
    with composer.load(ZOO + "true)").ready(loading=told.append) as ensemble:
        began = time.perf_counter()
        result = ensemble("What is 1 plus 1?")
        took = time.perf_counter() - began
        ensemble("What is 1 plus 2?")
        assert ensemble.loading_seconds > 0
        assert result.seconds <= took - ensemble.loading_seconds + 0.01
    assert told == ["torch", "A"]


def test_a_later_stage_is_loaded_when_it_is_asked():
    told = []
    with composer.load(ZOO + "false)").ready(loading=told.append) as ensemble:
        ensemble("What is 1 plus 1?")
    assert told == ["torch", "A", "B"]


def test_models_can_be_loaded_before_they_are_asked():
    told = []
    with composer.load(ZOO + "false)").ready(loading=told.append) as ensemble:
        ensemble.load()
        assert told == ["torch", "A", "B"]
        ensemble("What is 1 plus 1?")
        assert told == ["torch", "A", "B"]


@pytest.mark.parametrize(
    "fuse",
    [
        "span_fuse(A, B)",
        "byte_fuse(A, B)",
        "handoff(A, B, when = doubt())",
        "token_fuse(A, B, draft = speculative())",
        "span_fuse(A, token_fuse(A, B))",
    ],
)
def test_every_kind_of_fuse_can_be_loaded_before_it_is_asked(fuse):
    told = []
    models = 'model A = zoo("general-1")\nmodel B = zoo("maths")\n'
    with composer.load(models + fuse).ready(loading=told.append) as ensemble:
        ensemble.load()
        assert told == ["torch", "A", "B"]


def test_ensembles_that_share_an_engine_have_equal_models_in_memory_once():
    told, recipe = [], composer.load(ZOO + "true)")
    host = EngineHost(told.append)
    with recipe.ready(engine=host) as one:
        with recipe.ready(engine=host) as other:
            other("What is 1 plus 1?")
        assert one("What is 1 plus 1?").answer == "2"
    host.close()
    assert told == ["torch", "A"]


def test_costs_are_written_as_one_writes_them():
    assert dollars(9.999999999999999e-06) == 1e-05
    assert dollars(0.1 + 0.2) == 0.3
    result = Result("1", "q", "a", members={"A": Usage(1, 2, 3, 9.999999999999999e-06)})
    assert result.as_dict()["members"]["A"]["cost"] == 1e-05

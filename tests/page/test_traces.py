"""Traces are kept within limits, and a reader is told when one is gone."""

import asyncio
import json
from concurrent.futures import Future

import pytest

from composer.run.events import StepBegan
from composer.serve.errors import ProtocolError
from composer.serve.page import watching
from composer.serve.page.traces import Traces
from composer.serve.visits import VISIT, Visit


def test_a_trace_is_given_back_with_its_events():
    traces = Traces()
    trace = traces.begin()
    traces.add(trace, '{"type":"begin"}')
    traces.add(trace, '{"type":"answer"}')
    shown = json.loads(traces.get(trace.id).json)
    assert shown == {
        "id": trace.id,
        "running": True,
        "events": [{"type": "begin"}, {"type": "answer"}],
    }


def test_the_oldest_trace_is_forgotten_first():
    traces = Traces(most=2)
    first, second, third = (traces.begin() for _ in range(3))
    assert len(traces) == 2
    assert traces.get(second.id) is second
    assert traces.get(third.id) is third
    with pytest.raises(ProtocolError, match="remembers the last 2 questions") as gone:
        traces.get(first.id)
    assert (gone.value.status, gone.value.code) == (404, "E811")


def test_traces_together_have_a_limit_in_bytes():
    traces = Traces(most_bytes=100)
    first, second = traces.begin(), traces.begin()
    traces.add(first, "x" * 60)
    traces.add(second, "y" * 60)
    assert len(traces) == 1
    assert traces.get(second.id).size == 60
    traces.add(first, "x" * 60)  # it goes on to be written, and is not kept
    assert len(traces) == 1


def test_a_trace_that_is_too_large_by_itself_is_not_kept():
    traces = Traces(most_bytes=100)
    trace = traces.begin()
    traces.add(trace, "x" * 101)
    assert len(traces) == 0
    traces.add(traces.begin(), "y" * 100)
    assert len(traces) == 1


@pytest.mark.parametrize(("count", "ends"), [(3, False), (4, True)])
def test_the_work_ends_where_too_many_events_wait_for_a_reader(monkeypatch, count, ends):
    monkeypatch.setattr(watching, "MOST_WAITING", 3)

    async def scene():
        visit = Visit()
        VISIT.set(visit)
        run = watching.WatchedRun(Traces())
        stream = run.stream({}, Future())
        await anext(stream)  # and the reader takes nothing more
        for at in range(count):
            run.put(StepBegan("s", "generate", float(at)))
        await asyncio.sleep(0)  # the loop takes them
        await stream.aclose()
        return visit.error is not None

    assert asyncio.run(scene()) is ends

"""Traces are kept within limits, and a reader is told when one is gone."""

import json

import pytest

from composer.serve.errors import ProtocolError
from composer.serve.page.traces import Traces


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

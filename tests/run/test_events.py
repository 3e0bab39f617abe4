"""Whoever watches a query is told of each step and each call, as the trace has them."""

import threading
from concurrent.futures import CancelledError

import pytest

from composer.diagnostics.secrets import hide
from composer.run.events import (
    CallBegan,
    CallEnded,
    CallText,
    CallToken,
    StepBegan,
    StepEnded,
)
from composer.run.result import Failure
from composer.values.details import TokenDetail
from composer.values.options import AnswerOptions


@pytest.fixture
def watched(ready):
    """Answer a query; return the result and the events."""

    def answer(recipe, query="Why?", **how):
        events = []
        future = ready(recipe).start(query, on_event=events.append, **how)
        try:
            result = future.result()
        except Failure as failure:
            result = failure.result
        return result, events

    return answer


def of(kind, events):
    return [event for event in events if isinstance(event, kind)]


def test_each_step_and_call_begins_and_ends_as_in_the_trace(watched):
    result, events = watched("[A, B] -> rank(C, by = judge()) -> best()")
    steps = [(event.id, event.op) for event in result.trace.events]
    assert [(event.step, event.op) for event in of(StepBegan, events)] == steps
    gave = {event.id: event.gave for event in result.trace.events}
    assert {event.step: event.gave for event in of(StepEnded, events)} == gave
    calls = {(e.id, c.number): c for e in result.trace.events for c in e.asked}
    assert {(event.step, event.call) for event in of(CallBegan, events)} == set(calls)
    assert "options" not in result.trace.as_dict()
    for event in of(CallEnded, events):
        call = calls[event.step, event.call]
        assert (event.text, event.tokens, event.usage) == (call.text, call.tokens, call.usage)
    assert sorted(events, key=lambda event: event.at) == events


@pytest.mark.parametrize("recipe", ["[A, A, broken] -> vote()", "broken"])
def test_a_trace_tells_later_what_whoever_watched_was_told(watched, recipe):
    result, events = watched(recipe)
    ends = [event for event in events if not isinstance(event, CallText)]
    assert sorted(map(repr, result.trace.watched_events())) == sorted(map(repr, ends))
    assert result.trace.on_event is None


def test_a_trace_tells_no_secret_later(watched):
    result, _ = watched("A")
    hide("sesame-open")
    result.trace.events[-1].notes["why"] = "the key sesame-open was refused"
    assert "sesame" not in repr(list(result.trace.watched_events()))


def test_members_are_told_piece_by_piece_though_only_the_root_streams(watched):
    _, events = watched("[A, B] -> vote()")
    assert {event.text for event in of(CallText, events)} == {"a", "b"}
    _, events = watched("say", "one two")
    assert [event.text for event in of(CallText, events)] == ["one", " two"]


def test_a_failed_call_says_why(watched):
    _, events = watched("broken | A")
    assert [event.error for event in of(CallEnded, events)] == [
        "[E701] `broken` failed, because it is declared with `fails = true`",
        None,
    ]


def test_a_failed_query_ends_its_steps(watched):
    result, events = watched("broken")
    assert result.answer is None
    assert [event.error is None for event in of(StepEnded, events)][-1] is False


def test_a_cancelled_query_stops_at_once(ready):
    events, begun = [], threading.Event()

    def watch(event):
        events.append(event)
        if isinstance(event, CallBegan):
            begun.set()

    ensemble = ready("slow")
    future = ensemble.start("Why?", on_event=watch)
    assert begun.wait(5)
    assert future.cancel()
    with pytest.raises(CancelledError):
        future.result()
    assert str(ensemble("Why?")) == "slow"
    assert [event.error for event in of(CallEnded, events)] == ["cancelled"]


def test_tokens_are_told_to_whoever_watches_and_kept_only_where_the_options_want_them(watched):
    detail = TokenDetail(top=1)
    result, events = watched("[A, B] -> vote()", watch=detail)
    assert {event.token.chosen.piece for event in of(CallToken, events)} == {b"a", b"b"}
    tokens = []
    result, events = watched(
        "A", options=AnswerOptions(detail=detail), on_token=tokens.append, on_text=lambda _: None
    )
    assert [choice.chosen.piece for choice in tokens] == [b"a"]
    assert list(result.text.choices) == tokens
    detail_fields = {"top": 1, "ids": (), "members": 0}
    assert result.trace.as_dict()["options"] == {"detail": detail_fields}
    result, events = watched("free", watch=detail)
    assert not of(CallToken, events)

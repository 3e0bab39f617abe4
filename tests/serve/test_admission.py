"""Which queries run, which wait, and which are refused."""

from concurrent.futures import Future

import pytest

from composer.run.result import Failure, Result
from composer.serve.admission import Admission
from composer.serve.errors import ProtocolError
from composer.serve.visits import VISIT, Visit


class Queries:
    """Queries that end when a test says so, in the order in which they began."""

    def __init__(self, admission):
        self.admission, self.begun = admission, []
        self.futures = {}

    def put(self, name, model="m", visit=None):
        def begin():
            self.begun.append(name)
            self.futures[name] = Future()
            return self.futures[name]

        token = VISIT.set(visit or Visit())
        try:
            return self.admission.submit(model, begin)
        finally:
            VISIT.reset(token)

    def end(self, name):
        self.futures[name].set_result(Result(name, name, "answer"))


def counts(admission):
    return {name: numbers for name, *numbers in admission.counts()}


def test_so_many_run_and_the_others_wait_in_their_order():
    queries = Queries(admission := Admission(concurrency=2))
    outcomes = [queries.put(name) for name in "abcd"]
    assert queries.begun == ["a", "b"]
    assert counts(admission) == {"m": [2, 2]}
    queries.end("b")
    assert queries.begun == ["a", "b", "c"]
    assert outcomes[1].result().answer == "answer"
    assert not outcomes[0].done()


def test_a_request_that_finds_the_queue_full_is_told_when_to_come_again():
    queries = Queries(Admission(concurrency=1, queue=1))
    queries.put("a")
    queries.put("b")
    with pytest.raises(ProtocolError, match="1 query at work and 1 waiting") as caught:
        queries.put("c")
    assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "1"})


def test_the_time_to_come_again_goes_by_how_fast_queries_have_ended(monkeypatch):
    now = iter([100.0, 102.0, 104.0, 106.0])
    monkeypatch.setattr("composer.serve.admission.time.monotonic", lambda: next(now))
    queries = Queries(Admission(concurrency=1, queue=3))
    for name in "abcdefg":
        queries.put(name)
        if len(queries.begun) < 4:
            queries.end(name)
    with pytest.raises(ProtocolError) as caught:
        queries.put("g")
    assert caught.value.headers == {"Retry-After": "6"}


def test_a_request_with_many_prompts_counts_once_in_the_queue():
    queries, visit = Queries(admission := Admission(concurrency=1, queue=1)), Visit()
    for number in range(5):
        queries.put(f"prompt {number}", visit=visit)
    assert counts(admission) == {"m": [1, 4]}


def test_a_request_that_runs_may_have_more_queries_though_no_other_may_wait():
    queries, visit = Queries(admission := Admission(concurrency=1, queue=0)), Visit()
    outcomes = [queries.put(name, visit=visit) for name in "abc"]
    with pytest.raises(ProtocolError):
        queries.put("d")
    for name in "abc":
        queries.end(name)
    assert all(each.done() for each in outcomes)
    assert counts(admission) == {"m": [0, 0]}


def test_requests_of_one_model_have_their_turns():
    queries, visit = Queries(Admission(concurrency=1)), Visit()
    for number in range(4):
        queries.put(f"many {number}", visit=visit)
    queries.put("one")
    for _ in range(4):
        queries.end(queries.begun[-1])
    assert queries.begun == ["many 0", "many 1", "one", "many 2", "many 3"]


def test_the_model_with_the_fewest_running_queries_is_next():
    queries = Queries(Admission(concurrency=2))
    for number in range(4):
        queries.put(f"busy {number}", model="busy")
    queries.put("other", model="other")
    queries.end("busy 0")
    assert queries.begun[-1] == "other"


def test_a_query_that_nobody_waits_for_gives_its_place_away():
    queries = Queries(admission := Admission(concurrency=1))
    running, waiting, last = (queries.put(name) for name in "abc")
    waiting.cancel()
    assert counts(admission) == {"m": [1, 1]}
    running.cancel()
    assert queries.futures["a"].cancelled()
    assert queries.begun == ["a", "c"]
    assert not last.done()


def test_all_queries_of_a_visit_end_with_it():
    queries, visit = Queries(admission := Admission(concurrency=1)), Visit()
    outcomes = [queries.put(name, visit=visit) for name in "abc"]
    error = ProtocolError("E806", "the server is stopping")
    visit.end(error)
    assert [each.exception() for each in outcomes] == [error] * 3
    assert counts(admission) == {"m": [0, 0]}
    assert queries.begun == ["a"]
    with pytest.raises(ProtocolError, match="stopping"):
        queries.put("d", visit=visit)


def test_a_query_that_cannot_begin_fails_and_the_next_one_begins():
    admission = Admission(concurrency=1)
    queries = Queries(admission)
    queries.put("a")

    def refuse():
        raise Failure("E407", "the step cannot")

    refused = admission.submit("m", refuse)
    queries.put("b")
    queries.end("a")
    assert refused.exception().code == "E407"
    assert queries.begun == ["a", "b"]

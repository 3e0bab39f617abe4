"""On a cluster, recipes give the answers of one process, with the same usage and the same calls."""

import pytest
from local_replicas import LocalCluster

import composer

ZOO = 'use "zoo.ens" (A, B, C, D)\n'
CASES = {
    "mission": "mission",
    "route": "quickstart",
    "vote": ZOO + "[A, B, A(temperature = 1, max_tokens = 8)] -> vote()",
    "cascade": ZOO + "cascade(A, D, accept = confidence() >= 0.99)",
    "fuse": ZOO + "let fused = token_fuse(A, B)\nfused(temperature = 0.7, max_tokens = 12)",
}
QUERIES = ["What is 17 plus 25?", "Reverse the word star."]


def told(result):
    calls = [
        (call.model, call.text, call.usage) for step in result.trace.events for call in step.asked
    ]
    return (
        result.answer,
        result.error,
        result.members,
        round(result.confidence, 4),
        sorted(calls, key=str),
    )


@pytest.mark.parametrize("case", CASES)
def test_answers_usage_and_calls_are_those_of_one_process(case):
    loaded = composer.load(CASES[case])
    with loaded.ready() as ensemble:
        here = list(ensemble.map(QUERIES))
    cluster = LocalCluster()
    with loaded.ready(cluster=cluster) as ensemble:
        there = list(ensemble.map(QUERIES))
    assert list(map(told, there)) == list(map(told, here))
    assert cluster.launched
    assert not cluster.warnings


def test_pieces_of_a_streamed_answer_come_as_they_are_written():
    loaded = composer.load(ZOO + "A(max_tokens = 24)")
    with loaded.ready() as ensemble:
        here = list(ensemble.stream(QUERIES[0]))
    with loaded.ready(cluster=LocalCluster()) as ensemble:
        stream = ensemble.stream(QUERIES[0])
        there = list(stream)
        assert "".join(there) == "".join(here)
        assert stream.result.answer == "".join(here).strip()


def test_replicas_that_die_change_no_answer():
    loaded = composer.load(ZOO + "let f = token_fuse(A, B)\nf(max_tokens = 8)")
    queries = [f"What is {n} plus 25?" for n in range(10, 50)]
    with loaded.ready() as ensemble:
        here = {result.query: (result.answer, result.members) for result in ensemble.map(queries)}
    cluster, there, notes = LocalCluster(), [], []
    with loaded.ready(cluster=cluster) as ensemble:
        for result in ensemble.as_they_come(map(composer.Query.of, queries), at_once=8):
            there.append((result.query, (result.answer, result.members)))
            notes += [event.notes.get("attempts") for event in result.trace.events]
            if len(there) in {10, 20, 30}:
                cluster.kill_newest()
    assert dict(there) == here
    assert len(there) == len(queries)
    assert len(cluster.launched) == 4
    assert len(cluster.warnings) == 3
    assert ["`token_fuse(A, B)` is asked again: it was killed"] in notes

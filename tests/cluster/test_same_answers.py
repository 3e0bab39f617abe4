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
    return result.answer, result.error, result.members, result.confidence, sorted(calls, key=str)


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

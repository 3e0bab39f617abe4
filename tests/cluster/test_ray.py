"""Two nodes of Ray on this machine: replicas that are killed, a node that is removed.

Run with `pytest -m ray tests/cluster`; it takes some minutes and 4 GB of memory.
"""

import os
import signal

import pytest

import composer
from composer.cluster import Cluster

pytestmark = pytest.mark.ray

FUSE = """
model A = zoo("general-1", replicas = 2)
model B = zoo("maths", replicas = 2)
let fused = token_fuse(A, B)
fused(max_tokens = 12)
"""
QUERIES = [f"What is {n // 40 + 10} plus {n % 40 + 10}?" for n in range(1000)]


@pytest.fixture
def nodes():
    """A cluster of two nodes; the second one can be removed."""
    utils = pytest.importorskip("ray.cluster_utils", reason="needs the extra `ray`")
    size = {"num_cpus": 4, "object_store_memory": 100 << 20}
    cluster = utils.Cluster(initialize_head=True, head_node_args=size)
    cluster.second = cluster.add_node(**size)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def connected(nodes):
    """That cluster as ours; `warnings` are kept, and so are the handles that were launched."""
    warnings, handles = [], []
    with Cluster.connect(nodes.address, within=120, warn=warnings.append) as cluster:
        launch = cluster._launch

        async def kept(pool):
            handle = await launch(pool)
            handles.append(handle)
            return handle

        cluster._launch = kept
        cluster.warnings, cluster.handles = warnings, handles
        yield cluster


def kill_one(handles):
    """Kill a replica that lives, as the system does where memory is short."""
    for handle in reversed(handles):
        try:
            os.kill(handle.process, signal.SIGKILL)
        except ProcessLookupError:
            continue
        return


def test_every_question_is_answered_once_though_replicas_and_a_node_die(nodes, connected, capfd):
    loaded = composer.load(FUSE)
    with loaded.ready() as ensemble:
        here = {result.query: told(result) for result in ensemble.map(QUERIES)}
    there, count = [], 0
    with loaded.ready(cluster=connected) as ensemble:
        for result in ensemble.as_they_come([composer.Query.of(q) for q in QUERIES], at_once=128):
            there.append((result.query, told(result)))
            if len(there) % 140 == 0 and count < 5:
                kill_one(connected.handles)
                count += 1
            if len(there) == 770:
                nodes.remove_node(nodes.second, allow_graceful=False)
    assert count == 5
    assert capfd.readouterr() == ("", "")
    assert len(there) == len(here) == 1000
    assert dict(there) == here
    assert len(connected.warnings) >= 5


def test_a_pool_grows_while_requests_wait(connected):
    recipe = 'model B = zoo("maths", replicas = [1, 2])\nB(max_tokens = 12)'
    with composer.load(recipe).ready(cluster=connected) as ensemble:
        answers = [result.answer for result in ensemble.map(QUERIES)]
    assert len(connected.handles) == 2
    assert answers[0] == "20"
    assert None not in answers


def told(result):
    return result.answer, result.error, result.members

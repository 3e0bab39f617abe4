"""The command on a Ray cluster: recipes run there unchanged, and say what they say elsewhere."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]

ROOT = Path(__file__).parents[2]
RECIPES = {
    "mission": (ROOT / "recipes" / "mission.ens").read_text(),
    "route": 'use "zoo.ens" (A, B, D)\nroute(by = perplexity()) -> [A, B, D]',
    "vote": 'use "zoo.ens" (A, B, C)\n[A, sample(B, 2), C] -> vote()',
    "cascade": 'use "zoo.ens" (A, D)\nA -> cascade(D, accept = confidence >= 0.9)',
}


@pytest.fixture(scope="module")
def address():
    pytest.importorskip("ray", reason="needs the extra `ray`")
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={
            "num_cpus": 8,
            "object_store_memory": 200 << 20,
            "include_dashboard": False,
        },
    )
    yield cluster.address
    cluster.shutdown()


def compose(*arguments, **how):
    command = [sys.executable, "-m", "composer", *map(str, arguments)]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        **how,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    file = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    lines = [{"id": f"q{n}", "query": f"What is {n + 11} plus {n * 7}?"} for n in range(8)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def told(text):
    """Return what a run prints of each query without its seconds, with numbers rounded."""
    results = [json.loads(line) for line in text.splitlines()]
    for result in results:
        del result["seconds"]
        result["confidence"] = round(result["confidence"] or 0.0, 4)
        result["decision"] = {n: round(w, 4) for n, w in (result["decision"] or {}).items()}
    return results


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_answers_on_a_cluster_as_in_one_process(name, address, rows, tmp_path):
    recipe = tmp_path / f"{name}.ens"
    recipe.write_text(RECIPES[name])
    asked = ("run", recipe, "--input", rows, "--json", "--no-cache")
    here, there = compose(*asked), compose(*asked, "--ray", address)
    assert there[0] == here[0] == 0, there
    assert told(there[1]) == told(here[1])
    assert there[2] == here[2]


def test_an_answer_streams_and_is_traced(address, tmp_path):
    trace = tmp_path / "t.jsonl"
    question = "What is 17 plus 25?"
    asked = ("run", "recipes/quickstart.ens", question, "--no-cache", "--trace", trace)
    here = compose(*asked, "--stream", cwd=ROOT)
    there = compose(*asked, "--stream", "--ray", address, cwd=ROOT)
    assert there[:2] == here[:2]
    assert json.loads(trace.read_text().splitlines()[-1])


def test_a_run_that_was_killed_goes_on(address, tmp_path):
    recipe, file, out = (tmp_path / name for name in ("r.ens", "in.jsonl", "out.jsonl"))
    recipe.write_text('use "zoo.ens" (A, B)\ntoken_fuse(A, B)')
    lines = [{"id": f"q{n}", "query": f"What is {n} plus {n}?"} for n in range(300)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    asked = ("run", recipe, "--input", file, "--output", out, "--no-cache", "--ray", address)
    head = subprocess.Popen(
        [sys.executable, "-m", "composer", *map(str, asked)],
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not out.exists() or len(out.read_text().splitlines()) < 20:
        assert head.poll() is None
        time.sleep(0.05)
    os.kill(head.pid, signal.SIGKILL)
    head.wait()
    done = len(out.read_text().splitlines())
    status, _, said = compose(*asked)
    assert status == 0, said
    ids = [json.loads(line)["id"] for line in out.read_text().splitlines()]
    assert sorted(ids) == sorted(line["id"] for line in lines)
    assert done < len(lines)


def test_a_pool_that_does_not_fit_is_told_before_anything_starts(address, tmp_path):
    recipe = tmp_path / "r.ens"
    recipe.write_text('model A = zoo("general-1", cpus = 64)\nA')
    for verb in (("plan", recipe), ("run", recipe, "x")):
        status, _, said = compose(*verb, "--ray", address)
        assert status == 1
        assert "error[E603]" in said
        assert "64 CPUs, and the nearest node has 8 CPUs" in said


def test_an_address_that_does_not_answer_is_told():
    status, _, said = compose(
        "run", "recipes/quickstart.ens", "x", "--ray", "127.0.0.1:1", cwd=ROOT
    )
    assert status == 3
    assert "error[E731]" in said

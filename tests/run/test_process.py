"""Processes, threads and exits around an ensemble: no hang, nothing left over, a clear error."""

import asyncio
import gc
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

import composer
from composer.backends.fake import FakeClient
from composer.run import Failure
from composer.run.asker import RunAsker

ROOT = Path(__file__).parents[2]
FAKE = 'model A = fake(says = "yes")\nA'
ZOO = 'model A = zoo("general-1")\nA(max_tokens = 2)'
EXITS = (
    SystemExit,
    KeyboardInterrupt,
    asyncio.CancelledError,
    GeneratorExit,
    StopIteration,
    StopAsyncIteration,
    RecursionError,
    MemoryError,
)


def within(seconds, function):
    """Call a function in a thread that the test outlives; return or raise as it does."""
    ended = Future()

    def call():
        try:
            ended.set_result(function())
        except BaseException as error:  # noqa: BLE001 - whoever waits is given it
            ended.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return ended.result(seconds)


@pytest.fixture
def raising(monkeypatch):
    """Let fakes that are asked "Why?" raise: `raising(kind)`."""

    def arm(kind):
        work = FakeClient.generate

        async def generate(self, request, on_text=None):
            if request.query.text == "Why?":
                raise kind
            return await work(self, request, on_text)

        monkeypatch.setattr(FakeClient, "generate", generate)

    return arm


RECIPES = {
    "alone": "A",
    "bank": "[A, A(temperature = 1)] -> vote()",
    "sample": "sample(A, n = 3, temperature = 1) -> vote()",
}


@pytest.mark.parametrize("kind", EXITS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("recipe", RECIPES)
def test_an_exit_of_a_member_is_its_failure_and_others_are_answered(recipe, kind, raising):
    raising(kind)
    text = 'model A = fake(says = "yes")\n' + RECIPES[recipe]
    with composer.load(text).ready() as ensemble:
        asked = ["Why?", "How?", "Why?", "When?"]
        results = within(20, lambda: list(ensemble.map(asked)))
        assert [each.answer for each in results] == [None, "yes", None, "yes"]
        assert all("[E7" in (each.error or "[E7") for each in results)
        assert all("closed" not in (each.error or "") for each in results)
        with pytest.raises(Failure):
            within(20, lambda: ensemble("Why?"))
        assert within(20, lambda: ensemble("How?").answer) == "yes"


@pytest.mark.parametrize("kind", EXITS, ids=lambda kind: kind.__name__)
def test_an_exit_of_what_computes_in_a_thread_is_a_failure(kind, load, monkeypatch):
    def burst():
        raise kind

    async def generate(self, model, query, sampling):
        return await self.compute(burst)

    monkeypatch.setattr(RunAsker, "generate", generate)
    with load("A").ready() as ensemble:
        (result,) = within(20, lambda: list(ensemble.map(["Why?"])))
        assert "[E7" in result.error


def threads():
    return sum(each.name in ("compose", "engine") for each in threading.enumerate())


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def waited(count, most):
    """Wait until a count is down to so many."""
    for _ in range(400):
        gc.collect()
        if count() <= most:
            break
        time.sleep(0.01)
    return count()


def test_fifty_ensembles_that_nobody_closed_leave_nothing(tmp_path):
    recipe = composer.load(FAKE)
    before = threads(), descriptors()
    for n in range(50):
        assert recipe.ready(cache=tmp_path / f"{n}.sqlite")("Why?").answer == "yes"
    assert waited(threads, before[0]) <= before[0]
    assert waited(descriptors, before[1]) <= before[1]
    assert recipe.ready(cache=tmp_path / "7.sqlite")("Why?").members["A"].calls == 0


@pytest.mark.slow
def test_an_ensemble_with_a_local_model_that_nobody_closed_leaves_nothing():
    composer.load(ZOO)("once")
    before = threads()
    composer.load(ZOO).ready()("Why?")
    assert waited(threads, before) <= before


def test_what_nobody_closed_is_closed_when_the_process_ends(tmp_path):
    program = (
        "import composer, pathlib\n"
        f"open_ = composer.load({FAKE!r}).ready(cache=pathlib.Path('a.sqlite'))\n"
        "print([r.answer for r in open_.map(['a', 'b', 'c'])])\n"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, check=True, timeout=60
    )
    assert done.stderr == b""
    with composer.load(FAKE).ready(cache=tmp_path / "a.sqlite") as ensemble:
        assert [r.members["A"].calls for r in ensemble.map(["a", "b", "c"])] == [0, 0, 0]


def test_closing_twice_and_from_many_threads_is_closing_once():
    ensemble = composer.load(FAKE).ready()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ensemble.close(), range(16), timeout=20))
    with pytest.raises(Failure, match="E707"):
        ensemble("Why?")


FORKED = {
    "the parent's ensemble": ("parent", "E707"),
    "closing the parent's ensemble": ("close", "closed"),
    "an ensemble of its own": ("fake", "yes"),
}


def in_fork(work):
    """Fork, as `multiprocessing` does on Linux; return what the child says, or "hangs"."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            said = str(work())
        except BaseException as error:  # noqa: BLE001 - it is what is looked at
            said = str(error)
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    for _ in range(1000):
        done, _ = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.02)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
        return "hangs"
    with os.fdopen(reading) as file:
        return file.read()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("what", FORKED)
def test_a_fork_answers_or_says_why_not(what, tmp_path):
    how, said = FORKED[what]
    with composer.load(FAKE).ready(cache=tmp_path / "a.sqlite") as ensemble:
        ensemble("Why?")
        work = {
            "parent": lambda: ensemble("Why?"),
            "close": lambda: ensemble.close() or "closed",
            "fake": lambda: composer.load(FAKE)("Why?"),
        }[how]
        assert said in in_fork(work)
        assert ensemble("How?").answer == "yes"


@pytest.mark.slow
def test_a_fork_after_torch_and_its_threads_answers(tmp_path):
    program = f"""
import sys
sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(ROOT)!r}]
import composer
import torch
from test_process import in_fork, ZOO

QUESTION = "What is 1 plus 1?"


def large():
    return (torch.ones(1500, 1500) @ torch.ones(1500, 1500)).sum().item() > 0


with composer.load(ZOO).ready() as ensemble:
    mine = ensemble(QUESTION).answer
    large()
    print(in_fork(lambda: composer.load(ZOO)(QUESTION).answer == mine and large()))
    print(in_fork(lambda: ensemble(QUESTION)))
"""
    env = os.environ | {"OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, check=False, timeout=100
    )
    assert done.stdout.decode().startswith("True\n[E707]"), done
    assert done.stderr == b""


def work_of_a_pool(question):
    return composer.load(FAKE)(question).answer


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_pools_of_processes_work_however_they_start():
    composer.load(FAKE)("Why?")
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map_async(work_of_a_pool, ["a", "b"]).get(60) == ["yes", "yes"]


def test_many_threads_ask_one_ensemble():
    with composer.load("model A = fake(style = echo)\nA").ready() as ensemble:
        asked = [f"question {n}" for n in range(200)]
        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(lambda q: ensemble(q).answer, asked, timeout=60)) == asked


def test_it_is_asked_from_within_a_running_loop_as_in_a_notebook():
    async def cell():
        with composer.load(FAKE).ready() as ensemble:
            both = [ensemble("Why?"), await ensemble.ask("Why?"), *ensemble.map(["Why?"])]
            return [each.answer for each in both] + list(ensemble.stream("Why?"))

    assert within(20, lambda: asyncio.run(cell())) == ["yes"] * 4


def test_waiting_for_an_answer_in_the_thread_that_gives_it_is_refused(monkeypatch):
    with composer.load(FAKE).ready() as ensemble:
        work = FakeClient.generate

        async def nested(self, request, on_text=None):
            if request.query.text == "Why?":
                ensemble("How?")
            return await work(self, request, on_text)

        monkeypatch.setattr(FakeClient, "generate", nested)
        (result,) = within(20, lambda: list(ensemble.map(["Why?"])))
        assert "await ensemble.ask" in result.error

"""A static step depends on shapes alone: it is traced without numbers, and runs without any."""

import math
import shutil
from types import SimpleNamespace

import pytest
import torch
from fusing import LOGS, Part, TokenFuse
from torch.fx.experimental.proxy_tensor import make_fx

from composer.engine.group import Group
from composer.engine.rows.attention import BatchedAttention
from composer.engine.rows.row import Feed
from composer.engine.rows.runner import Runner
from composer.engine.sample import Kinds
from composer.engine.static.capture import Launcher
from composer.engine.static.compiling import runs_to_pay
from composer.engine.static.shape import Pass, Shape
from composer.engine.static.step import StaticStep
from composer.engine.weights.local import load
from composer.specs.shapes import shape_of
from composer.values.timings import CompiledTime, Machine, ShapeTimings, Timings

KINDS = {"greedy": Kinds(True, False, False), "all": Kinds(True, True, True)}  # noqa: FBT003
META = torch.device("meta")


@pytest.fixture
def parts(zoo):
    """A step of two unlike vocabularies with two requests: `parts(kinds, direct)`."""

    @torch.no_grad()
    def make(kinds, *, direct=True, device=None, **options):
        members = zoo("general-1"), zoo("other")
        runners = {member: Runner(load(member)) for member in members}
        for runner in runners.values():
            if device is not None:
                runner.model.module.to(device)
                runner.model.device = device
                runner.rows = BatchedAttention(runner.model, packs=runner.rows.packs)
            rows = [runner.rows.allocate() for _ in range(2)]
            if device is None:
                runner.rows.forward([Feed(row, [5, 6, 4], ()) for row in rows])
        group = Group(TokenFuse(members, ("a", "b"), **options), runners)
        passes = (Pass(2, 64), Pass(2, 64))
        shape = Shape((0, 1), options.get("weights", (0.5, 0.5)), passes, 2, direct, kinds)
        return StaticStep(group, shape, list(runners.values())), group

    return make


def numbers(step, device="cpu"):
    count = sum(step.shape.parts)
    tokens = [7, 8, 3, 3] * 2
    rows = [] if step.shape.direct else [1, 0, 1, 0]
    drawing = [0.0, 1.0, *[20.0] * 2, *[0.9] * 2, *[0.0] * 2, 0.4, 0.6]
    return torch.tensor((tokens + rows + drawing)[:count], dtype=torch.float64, device=device)


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"combine": LOGS, "weights": (1.5, -0.5)},
        {"combine": Part("combine.maximum"), "plausible": 0.1},
        {"combine": Part("combine.minimum"), "weigh": Part("weigh.entropy", {"power": 1.0})},
    ],
    ids=["mean", "logs", "plausible", "entropy"],
)
def test_nothing_is_read_back_or_copied_from_the_host(kinds, options, parts, monkeypatch):
    step, group = parts(KINDS[kinds], device=META, **options)
    given = numbers(step, META)
    for name in ("tensor", "as_tensor"):  # they copy numbers of the host
        monkeypatch.setattr(torch, name, None)
    with torch.no_grad():
        out = step(given)
    assert out.shape == (2, 2)
    assert out.device == group.device == META


@pytest.mark.slow
@torch.no_grad()
def test_it_can_be_traced_and_the_trace_reads_new_numbers(parts):
    step, _ = parts(KINDS["all"])
    first, second = numbers(step), numbers(step)
    second[[0, 2, 3]] += 1
    graph = make_fx(step, tracing_mode="real")(first)
    expected = step(second)
    assert torch.equal(graph(second)[0], expected[0])
    torch.testing.assert_close(graph(second), expected)


@torch.no_grad()
def test_requests_find_their_rows_where_they_are_not_direct(parts):
    step, _ = parts(KINDS["greedy"])
    straight = step(numbers(step))
    crossed, _ = parts(KINDS["greedy"], direct=False)
    torch.testing.assert_close(crossed(numbers(crossed)), straight.flip(1))


def test_a_launcher_keeps_its_memory_and_runs_a_function():
    launcher = Launcher(lambda n: torch.stack((n, 2 * n)), 3, (2, 3), torch.device("cpu"))
    first = launcher.run([1, 2, 3])
    assert first.tolist() == [[1, 2, 3], [2, 4, 6]]
    again = launcher.run([4, 5, 6])
    assert again.data_ptr() == first.data_ptr()
    assert again.tolist() == [[4, 5, 6], [8, 10, 12]]
    assert launcher.failure is None


class Doubled:
    """A step that counts, and can be compiled once, or not at all."""

    def __init__(self, error=None):
        self.compiled, self._error = 0, error

    def __call__(self, numbers):
        return 2 * numbers[None]

    def compile(self, numbers):
        self.compiled += 1
        assert numbers.tolist() == [2.0]
        if self._error is not None:
            raise self._error


@pytest.mark.parametrize("error", [None, RuntimeError("no compiler\nfound")])
def test_a_step_is_compiled_after_as_many_runs_as_pay(error):
    step = Doubled(error)
    launcher = Launcher(step, 1, (1, 1), torch.device("cpu"), compile_at=1.5)
    seen = [(launcher.run([n]).item(), step.compiled) for n in range(4)]
    assert seen == [(0, 0), (2, 0), (4, 1), (6, 1)]
    said = "it is not compiled: RuntimeError: no compiler"
    assert launcher.failure == (None if error is None else said)


def saved(*, plain=0.004, seconds=0.002, compiling=30.0):
    return CompiledTime(plain=plain, seconds=seconds, compiling=compiling)


@pytest.mark.parametrize(
    ("times", "runs"),
    [
        ({1: saved(), 16: saved(plain=0.006, seconds=0.005)}, 30_000),
        ({1: saved(), 16: saved(seconds=0.0039)}, math.inf),
        ({1: saved()}, math.inf),
        ({}, math.inf),
    ],
)
def test_compiling_pays_after_its_time_over_what_a_run_gains(times, runs, zoo):
    model = zoo("general-1")
    runner = SimpleNamespace(model=SimpleNamespace(device=torch.device("cpu")))
    shape = SimpleNamespace(passes=[Pass(4, 64)])
    group = SimpleNamespace(runners={model: runner})
    batch = SimpleNamespace(runners=[runner], shape=shape, group=group)
    own = ShapeTimings(
        shape=shape_of(model, "cpu"), device="cpu", name="a", decode={1: 1.0}, compiled=times
    )
    machine = Machine(devices={}, cores=1, threads="", torch="")
    assert runs_to_pay(batch, Timings(machine=machine, shapes=(own,))) == pytest.approx(runs)
    assert runs_to_pay(batch, None) == math.inf


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch warns of its own code while it compiles
@torch.no_grad()
def test_compiled_passes_compute_the_same(parts):
    if shutil.which("g++") is None:
        pytest.skip("there is no C++ compiler, which torch.compile needs")
    step, _ = parts(KINDS["all"])
    given = numbers(step)
    before = step(given)
    step.compile(given)
    entries, logprobs = step(given)
    assert torch.equal(entries, before[0])
    torch.testing.assert_close(logprobs, before[1], atol=1e-5, rtol=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_capture_replays_new_numbers_and_one_that_fails_says_why():
    device = torch.device("cuda")
    pool = torch.cuda.graph_pool_handle()
    launcher = Launcher(lambda n: n[None] * 2, 2, (1, 2), device, pool, captures=True)
    assert [launcher.run([n, 1]).tolist() for n in range(5)] == [[[2 * n, 2]] for n in range(5)]
    assert launcher._graph is not None
    waits = Launcher(lambda n: n[None] * float(n[0]), 2, (1, 2), device, pool, captures=True)
    assert [waits.run([n, 1]).tolist() for n in range(5)] == [[[n * n, n]] for n in range(5)]
    assert waits.failure is not None

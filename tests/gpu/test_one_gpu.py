"""What is tested on CPUs, on one GPU: answers, placement, transfers, memory."""

from pathlib import Path

import pytest
import torch
from fusing import Job, TokenFuse

import composer
from composer.backends.zoo import Zoo
from composer.compiler.plan import devices
from composer.engine.engine import Engine
from composer.engine.rows.row import Feed
from composer.engine.rows.runner import Runner
from composer.engine.static.steps import StaticSteps
from composer.engine.weights.local import load
from composer.specs import Declared
from composer.values import ModelError, Sampling

pytestmark = pytest.mark.gpu

MISSION = Path(__file__).parents[2] / "recipes" / "mission.ens"
ASKED = "3 + 4 = ?", "12 + 30 = ?", "What is 6 times 7?"


def zoo(name, device):
    """A model of the zoo in float32, so that its answers are those of a CPU."""
    return Declared(name, Zoo(model=name, device=device, dtype="float32"))


def fuse(device):
    return TokenFuse((zoo("general-1", device), zoo("maths", device)), ("a", "b"))


def write(engine, member, **how):
    jobs = [Job(member, ((("user", text),),), Sampling(max_tokens=8, **how)) for text in ASKED]
    return [future.result(120).text for future in [engine.generate(job) for job in jobs]]


def test_the_mission_answers_on_the_gpu():
    recipe = composer.load(MISSION)
    assert {each.device for each in recipe.plan().models if each.device} <= {
        device.name for device in devices()
    }
    with recipe.ready() as ensemble:
        assert ensemble(recipe.example).answer == "42"


@pytest.mark.parametrize("how", [{}, {"temperature": 0.8, "seed": 5, "top_p": 0.9}])
@pytest.mark.parametrize("captures", [True, False])
def test_a_fuse_answers_as_on_a_cpu(how, captures):
    with Engine() as engine:
        expected = write(engine, fuse("cpu"), **how)
    with Engine(static=StaticSteps(captures=captures)) as engine:
        assert write(engine, fuse("cuda:0"), **how) == expected


@torch.inference_mode()
def test_a_pass_waits_for_nothing():
    runner = Runner(load(zoo("general-1", "cuda:0"), "cuda:0"))
    rows = [runner.rows.allocate() for _ in range(2)]
    runner.forward([Feed(row, [3, 4, 5], [2]) for row in rows])
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            runner.forward([Feed(row, [6], [0]) for row in rows])
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_full_gpu_costs_the_rows_that_do_not_fit():
    with Engine() as engine:
        done = write(engine, zoo("general-1", "cuda:0"))
        torch.cuda.set_per_process_memory_fraction(1e-4, 0)
        try:
            with pytest.raises(ModelError) as told:
                write(engine, zoo("large", "cuda:0"))
            assert told.value.code in {"E601", "E730"}
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, 0)
        assert write(engine, zoo("general-1", "cuda:0")) == done


def test_layers_on_two_devices_give_the_logits_of_one():
    whole, parts = (
        Runner(load(zoo("general-1", "auto"), place)) for place in ("cuda:0", "cuda:0*2+cpu*2")
    )
    with torch.inference_mode():
        logits = [
            each.forward([Feed(each.rows.allocate(), list(range(3, 15)), [0, 11])]).cpu()
            for each in (whole, parts)
        ]
    torch.testing.assert_close(*logits, atol=1e-3, rtol=1e-3)

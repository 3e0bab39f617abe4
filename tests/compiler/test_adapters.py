"""Models with adapters in a plan: their base is counted and placed once."""

from pathlib import Path

import pytest
from lora import save_adapter

from composer import zoo
from composer.compiler.graph import compile_recipe
from composer.compiler.plan import Device, describe, make_plan
from composer.compiler.rules import optimize
from composer.diagnostics import Mistakes, Source

BASE = Path(zoo.folder("general-1"))
GPU = Device("cuda:0", 24 * 2**30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a base and two adapters of it."""
    folder = tmp_path_factory.mktemp("plan")
    (folder / "base").symlink_to(BASE)
    for seed, name in enumerate(("maths", "text")):
        save_adapter(BASE, folder / name, seed)
    return folder


def compiled(folder, answer):
    text = f"""
model base = hf("base", generation_config = false, dtype = fp32)
model maths = hf("base", adapter = "maths", generation_config = false, dtype = fp32)
model text = hf("base", adapter = "text", generation_config = false, dtype = fp32)
{answer}
"""
    return compile_recipe(folder / "a.ens", Source("a.ens", text), root=folder)


def planned(folder, answer, *devices):
    made = compiled(folder, answer)
    return make_plan(made, optimize(made.graph, made.answer), devices or (GPU,)).plan


def test_the_plan_says_what_a_shared_base_saves(folder):
    plan = planned(folder, "[base, maths, text] -> vote()")
    (sharing,) = plan.sharing
    base, own = 4 * 480_096, 4 * 11_776
    assert sharing.models == ("base", "maths", "text")
    assert (sharing.bytes, sharing.apart) == (base + 2 * own, 3 * base + 2 * own)
    assert "base, maths, text share one base: 1.9 MiB instead of 5.6 MiB" in describe(plan)


def test_models_of_one_base_go_to_one_device_and_take_room_once(folder):
    weights = 4 * (480_096 + 3 * 11_776)
    devices = Device("cuda:0", int(1.5 * weights)), Device("cuda:1", weights)
    plan = planned(folder, "[base, maths, text] -> vote()", *devices)
    assert {model.device for model in plan.models} == {"cuda:0"}
    with pytest.raises(Mistakes):
        planned(folder, "[base, maths, text] -> vote()", Device("cuda:0", 1_000_000))


def test_a_model_without_its_base_saves_nothing(folder):
    assert planned(folder, "maths").sharing == ()


def test_a_fuse_of_adapters_is_one_forward_pass(folder):
    assert "one_forward" in {rule.name for rule in planned(folder, "token_fuse(maths, text)").rules}

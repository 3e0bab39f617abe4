"""Models of one shape step as one model where saved timings say that it is faster."""

import json

import pytest
from click.testing import CliRunner

from composer.backends.zoo import Zoo
from composer.cli.verbs import compose
from composer.recipe import Recipe
from composer.specs import Declared
from composer.specs.shapes import shape_of
from composer.values.timings import (
    ShapeTimings,
    StackedTime,
    Timings,
    this_machine,
    timings_file,
)

TWO = 'model A = zoo("general-1")\nmodel B = zoo("maths")\ntoken_fuse(A, B)\n'
VOTE = 'model A = zoo("general-1")\nmodel B = zoo("maths")\n[A, B] -> vote()\n'


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def save(*ratios, members=2, model="maths"):
    """Save timings in which stacked members are so many times faster, with 1, 4 and 16 rows."""
    times = {
        rows: StackedTime(seconds=0.01, apart=0.01 * ratio)
        for rows, ratio in zip((1, 4, 16), ratios, strict=False)
    }
    one = ShapeTimings(
        shape=shape_of(Declared("M", Zoo(model=model)), "cpu"),
        device="cpu",
        name="M",
        decode={1: 0.01},
        stacked={members: times},
    )
    saved = Timings(machine=this_machine(gpu=False), shapes=(one,))
    timings_file().parent.mkdir(exist_ok=True)
    timings_file().write_text(saved.model_dump_json())
    return saved


def test_members_are_stacked_up_to_the_rows_that_are_faster():
    saved = save(2, 1.5, 1.05)
    plan = Recipe.load(TWO).plan()
    (stack,) = plan.stacks
    assert (stack.models, stack.rows, stack.faster[4]) == (("A", "B"), 4, 1.5)
    assert plan.timings == saved.digest


def test_the_plan_and_explain_say_how_much_faster():
    save(2, 1.5, 1.2)
    said = "A, B step as one model up to 16 rows: 2 times faster with 1 row, 1.5 times faster with"
    recipe = Recipe.load(TWO)
    assert recipe.choices[0].startswith(said)
    from composer.compiler.plan import describe

    assert f"\nstacked\n  {said}" in describe(recipe.plan())


@pytest.mark.parametrize(
    ("saved", "why"),
    [
        (lambda: None, "no timings are saved for this machine: run `compose doctor --measure`"),
        (lambda: save(2, members=3), "the saved timings have no step of 2 stacked members"),
        (lambda: save(2, model="large"), "the saved timings have no step of 2 stacked members"),
        (lambda: save(1.05, 3), "one model is 1.05 times as fast with 1 row, by saved timings"),
    ],
)
def test_members_that_step_apart_are_told_with_the_reason(saved, why):
    saved()
    recipe = Recipe.load(TWO)
    assert recipe.plan().stacks == ()
    assert recipe.plan().timings == ""
    assert f"A, B step apart: {why}" in recipe.choices[0]


def test_on_a_gpu_they_step_apart_and_the_reason_is_told(monkeypatch):
    from composer.compiler.plan import Device, planning

    save(2, 2, 2)
    gpu = (Device("cuda:0", 1 << 34), Device("cpu"))
    monkeypatch.setattr(planning, "found_devices", lambda: gpu)
    recipe = Recipe.load(
        TWO.replace(")\nmodel", ', device = "cuda:0")\nmodel').replace(
            '"maths")', '"maths", device = "cuda:0")'
        )
    )
    assert recipe.plan().stacks == ()
    assert "one captured graph" in recipe.choices[0]


def test_plain_plans_stack_nothing():
    save(2, 2, 2)
    assert Recipe.load(TWO, plain=True).plan().stacks == ()
    assert Recipe.load(TWO, plain=True).choices == ()


@pytest.mark.parametrize(
    "text",
    [
        'model A = zoo("maths")\nA\n',
        'model A = zoo("maths")\nmodel B = zoo("large")\n[A, B]',
        'model A = zoo("general-1")\nmodel B = zoo("general-1", adapter = "text-lora")\n[A, B]',
    ],
)
def test_models_of_unlike_shapes_and_adapters_are_no_choice(text):
    save(2, 2, 2)
    assert Recipe.load(f"{text} -> vote()" if text.endswith("]") else text).choices == ()


@pytest.mark.parametrize("text", [TWO, VOTE])
def test_a_run_that_stacks_gives_the_answers_of_one_that_does_not(monkeypatch, text):
    from composer.engine.rows.stacked import StackedMembers

    passes = []
    forward = StackedMembers.forward
    monkeypatch.setattr(
        StackedMembers, "forward", lambda self, feeds: passes.append(1) or forward(self, feeds)
    )
    save(2, 2, 2)
    questions = ["What is 17 plus 25?", "Add 3 and 4.", "What is 64 minus 8?"]
    answers = []
    for plain in (True, False):
        with Recipe.load(text, plain=plain).ready() as ensemble:
            answers.append([result.answer for result in ensemble.map(questions)])
        assert bool(passes) is not plain
    assert answers[0] == answers[1]


def test_a_lock_records_the_timings_and_holds_under_others(tmp_path):
    saved = save(2, 2, 2)
    path = tmp_path / "two.ens"
    path.write_text(TWO)
    lock = json.loads(Recipe.load(path).lock().read_text())
    assert lock["timings"] == saved.digest
    save(3, 3, 3)
    with Recipe.load(path).ready():
        pass
    timings_file().unlink()
    assert "timings" not in json.loads(Recipe.load(path).lock().read_text())


def test_a_recipe_that_finds_no_device_is_explained(tmp_path):
    path = tmp_path / "lost.ens"
    path.write_text('model A = zoo("maths", device = "cuda:7")\nA\n')
    told = CliRunner().invoke(compose, ["explain", str(path)], standalone_mode=False).stdout
    assert "pass share: no rule applies" in told
    assert "none: `A` asks for the device `cuda:7`" in told

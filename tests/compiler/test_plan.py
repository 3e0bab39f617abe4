"""The plan as people and as programs read it."""

import json
from pathlib import Path

import pytest

from composer.backends.hf import HF
from composer.compiler.graph import compile_recipe
from composer.compiler.plan import VERSION, Device, Plan, describe, describe_steps, make_plan
from composer.compiler.rules import optimize
from composer.diagnostics import Source
from composer.values.capability import Capability
from composer.values.card import Card

PLANS = Path(__file__).parent / "plans"
DEVICES = (Device("cuda:0", 24 * 2**30), Device("cuda:1", 16 * 2**30))


@pytest.fixture
def compiled(monkeypatch):
    """Compile `everything.ens` over checkpoints of a known size."""

    def card(self):
        return Card(
            ~Capability(0),
            "test",
            parameters=10**9,
            bytes=2 * 10**9,
            context=4096,
            vocabulary="one",
            price=self.price,
        )

    monkeypatch.setattr(HF, "card", card)
    path = PLANS / "everything.ens"
    return compile_recipe(path, Source(path.name, path.read_text(encoding="utf-8")), root=PLANS)


def planned(compiled, *, plain=False, devices=DEVICES):
    """Optimize and plan a recipe."""
    return make_plan(compiled, optimize(compiled.graph, compiled.answer, plain=plain), devices)


def test_a_plan_reads_well(compiled, golden):
    golden(PLANS / "everything.txt", describe(planned(compiled).plan))


def test_a_plan_shows_where_each_value_was_written(compiled, golden):
    golden(PLANS / "origins.txt", describe(planned(compiled).plan, origins=True))


def test_a_plain_plan_reads_well(compiled, golden):
    golden(PLANS / "plain.txt", describe(planned(compiled, plain=True).plan))


def test_a_plan_is_a_versioned_value(compiled, golden):
    text = planned(compiled).plan.model_dump_json(indent=2)
    assert json.loads(text)["version"] == VERSION == 1
    golden(PLANS / "everything.json", text)


def test_a_plan_reads_back(compiled):
    plan = planned(compiled).plan
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_a_plan_is_the_same_every_time(compiled):
    assert planned(compiled).plan == planned(compiled).plan


def test_steps_stand_in_the_order_of_work(compiled):
    plan = planned(compiled).plan
    known = {model.name for model in plan.models}
    for step in plan.steps:
        assert set(step.inputs) <= known
        known.add(step.id)
    assert plan.answer == plan.steps[-1].id


def test_what_may_not_run_is_marked(compiled):
    plan = planned(compiled).plan
    (cascade,) = (step for step in plan.steps if step.op == "cascade")
    assert cascade.maybe == cascade.inputs[1:]
    (fallback,) = (step for step in plan.steps if step.op == "fallback")
    assert fallback.maybe == fallback.inputs[1:]


def test_every_default_that_was_used_is_told(compiled):
    plan = planned(compiled).plan
    (vote,) = (step for step in plan.steps if step.op == "vote")
    told = {option.name: (option.value, option.default) for option in vote.options}
    assert told["ties"] == ("first()", False)
    assert told["by"] == ("exact()", True)
    assert told["reduce"] == ("count()", True)


def test_every_node_of_a_plan_has_a_name(compiled):
    made = planned(compiled)
    assert made.ids[made.root] == made.plan.answer
    assert {step.id for step in made.plan.steps} <= set(made.ids.values())


def test_a_graph_can_be_described_on_its_way(compiled):
    lines = describe_steps(compiled, compiled.answer)
    assert lines[0].strip() == "r0 := query"
    assert not any("default:" in line for line in lines)


def test_secrets_of_the_environment_are_not_looked_at_by_a_plan(graph):
    compiled = graph("A", models='model A = fake(says = "x")\n')
    plan = planned(compiled).plan
    assert plan.models[0].declaration == 'fake("x")'

"""A step's signature is its declaration."""

from typing import Annotated

import pytest
from pydantic import Field

from composer.methods import Exact, Ties
from composer.steps import STEPS, Role
from composer.steps.declare import SAME, Step
from composer.values import Asker, Candidates, LazyBranch, Model, Port, Query, Ranking, Text
from composer.values.capability import Capability


def step_of(function, **more):
    return Step(function.__name__, function, **more)


async def example(
    given: Query | Text,
    judge: Model,
    *stages: LazyBranch[Text],
    by: Exact = Exact(),  # noqa: B008 - as steps are written
    n: Annotated[int, Field(ge=1)],
    ask: Asker,
) -> Candidates:
    """Do something.

    And more.
    """


def test_inputs_are_read_off_the_annotations():
    step = step_of(example)
    wire, judge, stages = step.inputs
    assert (wire.name, wire.ports, wire.role) == ("given", {Port.QUERY, Port.TEXT}, Role.VALUE)
    assert judge.is_model
    assert (stages.role, stages.variadic, stages.ports) == (Role.LATER, True, {Port.TEXT})
    assert step.wire is wire
    assert step.arguments == (judge, stages)
    assert step.gives is Port.CANDIDATES
    assert step.asks


def test_options_are_what_is_left():
    step = step_of(example)
    assert list(step.public_options) == ["by", "n", "timeout"]
    assert step.options(n=2).by == Exact()
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        step.options(n=0)
    with pytest.raises(ValueError, match="Extra inputs"):
        step.options(n=1, m=2)


def test_hidden_options_are_not_public():
    assert list(step_of(example, hidden=frozenset({"n"})).public_options) == ["by", "timeout"]


def test_options_without_a_star_may_be_given_by_place():
    def plain(ranking: Ranking, k: int = 3, *, ties: Ties | None = None) -> Text: ...

    assert step_of(plain).positional == ("k",)
    assert step_of(example).positional == ()


def test_a_step_of_models_has_no_wire():
    def fuse(*members: Model, weights: tuple[float, ...] | None = None) -> Model: ...

    step = step_of(fuse, needs=Capability.LOGITS)
    assert step.wire is None
    assert step.arguments[0].variadic


def test_the_first_sentence_is_the_summary():
    assert step_of(example).summary == "Do something."


def test_an_input_may_be_left_out():
    def maybe(given: Text, judge: Model | None = None) -> Text: ...

    assert step_of(maybe).inputs[1].optional


@pytest.mark.parametrize("name", STEPS)
def test_every_step_can_be_read(name):
    step = STEPS[name]
    assert step.name == name
    assert step.summary.endswith(".")
    assert step.inputs or step.sign
    assert step.gives_same == (step.name in ("fallback", "extract") or step.gives is SAME)
    assert step.options.model_json_schema()["type"] == "object"


@pytest.mark.parametrize("name", [name for name, step in STEPS.items() if not step.sign])
def test_every_option_has_a_default_but_those_that_make_the_step(name):
    required = {n for n, field in STEPS[name].public_options.items() if field.is_required()}
    names = {"template", "reward", "path", "labels", "by", "gate", "corpus", "layers", "pairs"}
    assert required <= names


def test_a_step_of_several_results_gives_the_widest_in_every_process():
    for name in ("extract", "fallback"):
        assert STEPS[name].gives is Port.CANDIDATES

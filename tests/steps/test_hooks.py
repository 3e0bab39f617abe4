"""What a step declares beside its signature, and the hooks in its file."""

import pytest

from composer.backends import Capability
from composer.methods import Blend, One
from composer.steps import STEPS, step
from composer.steps.declare import DECLARED, LONE_SAME, SAME, Step
from composer.steps.routing import default_policy, route
from composer.steps.voting import vote
from composer.values import Candidates, Model, Port, Query, Text


def test_a_step_is_called_like_the_function_it_was_made_from(text):
    @step(paper="arXiv:0000.00000")
    def loud(answer: Text, marks: str = "!") -> str:
        return answer.text.upper() + marks

    assert loud(text("a"), marks="?") == "A?"
    assert isinstance(loud, Step)
    assert DECLARED.pop("loud") is loud
    assert (loud.name, loud.paper, list(loud.public_options)) == (
        "loud",
        "arXiv:0000.00000",
        ["marks"],
    )


@pytest.mark.parametrize("name", STEPS)
def test_what_a_step_declares_names_its_own_options_and_inputs(name):
    each = STEPS[name]
    options, inputs = set(each.options.model_fields), {one.name for one in each.inputs}
    assert {*each.hidden, *each.set_by_rules, *each.hooks.settles} <= options
    assert set(each.shown) <= set(each.public_options)
    assert set(each.set_by_rules) <= set(each.hidden)
    assert {*each.labels, *filter(None, [each.absorbs])} <= inputs


@pytest.mark.parametrize("name", STEPS)
def test_a_fuse_says_what_it_can_do_and_what_else_to_write(name):
    each = STEPS[name]
    several = each.gives is Port.MODEL and any(one.variadic for one in each.inputs)
    fuses = several and not each.gives_checkpoint
    assert (each.fuses is not None) == fuses
    assert "{name}" in each.instead or not fuses


def test_what_is_given_on_says_so():
    assert STEPS["bank"].lone_same
    assert STEPS["extract"].gives_same
    assert {SAME, LONE_SAME} == {"same", "lone_same"}


def test_a_model_under_another_prompt_or_weights_is_passed_on():
    passing = {name for name, each in STEPS.items() if each.passes_on}
    assert passing == {"prompted", "weigh"}


def test_an_option_that_is_left_open_is_settled_by_the_others():
    options = route.options
    assert route.settled(options()) == {"policy": One()}
    assert route.settled(options(fused=True)) == {"policy": Blend()}
    assert route.settled(options(fused=True, policy=One())) == {}
    assert default_policy(fused=True) == Blend()


def test_an_input_without_a_default_is_missed():
    def judged(given: Candidates, judge: Model, other: Model | None = None) -> Text: ...

    lacking = Step("judged", judged).lacking([Port.CANDIDATES])
    assert lacking is not None
    assert (lacking.code, lacking.text) == ("E206", "`judged` needs `judge`")
    assert Step("judged", judged).lacking([Port.CANDIDATES, Port.MODEL]) is None


def test_a_fuse_needs_one_member():
    def fused(*members: Model) -> Model: ...

    assert Step("fused", fused).lacking([]) is not None
    assert Step("fused", fused).lacking([Port.MODEL]) is None


def test_a_hook_says_what_is_enough():
    def tried(first: Query, *stages: Text) -> Text: ...

    asks = Step("tried", tried)
    hook = asks.enough(lambda given: None if len(given) > 1 else asks.without(asks.inputs[1]))
    assert hook([Port.QUERY]) == asks.lacking([Port.QUERY])
    assert asks.lacking([Port.QUERY, Port.TEXT]) is None


def test_abilities_go_by_the_names_that_parts_write():
    both = Capability.named(["score", "continue"])
    assert both == Capability.SCORE | Capability.CONTINUE
    assert not Capability.named(())


def test_a_hook_stays_the_function_that_it_was():
    names = [check.__name__ for check in vote.hooks.checks]
    assert "as_many_weights_as_answers" in names

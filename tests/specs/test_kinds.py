"""Kinds of models check themselves, and say what they are made of and what they can do."""

import pytest
from fusing import SpanFuse

from composer.backends.fake import Fake
from composer.backends.zoo import Zoo
from composer.methods import Doubt, Logs, Mean, Shared, Template
from composer.methods.draft.safe import Safe
from composer.methods.gate import Unsure
from composer.specs import (
    ByteFuse,
    Declared,
    Handoff,
    Prompted,
    SpecError,
    TokenFuse,
    bare,
    leaves,
    member_names,
    prompts,
)
from composer.values import Capability, Generate, ModelError, Query, Sampling

A, B, C = (Declared(name, Fake(says=name)) for name in "ABC")


def fuse(*members, combine=None, **options):
    names = ("x", "y", "z")[: len(members)]
    return TokenFuse(members, names, combine=combine or Mean(), align=Shared(), **options)


def problems(make):
    with pytest.raises(SpecError) as caught:
        make()
    return [(each.code, each.field, each.member) for each in caught.value.problems]


def test_a_fuse_is_named_by_its_members():
    assert SpanFuse((A, B), ("a", "b")).name == "span_fuse(a, b)"


def test_leaves_come_from_left_to_right():
    assert [leaf.name for leaf in leaves(fuse(fuse(B, A), Prompted(C, Template(text=""))))] == [
        "B",
        "A",
        "C",
    ]


def test_a_prompt_does_not_change_what_a_model_can_do():
    prompted = Prompted(Prompted(A, Template(text="1")), Template(text="2"))
    assert bare(prompted) == A
    assert prompted.name == "A"
    assert prompted.capabilities == A.capabilities


def test_fuses_of_text_have_no_logits():
    assert Capability.LOGITS in fuse(A, B).capabilities
    for text in (
        SpanFuse((A,), ("a",)),
        ByteFuse((A,), ("a",)),
        Handoff((A, B), ("a", "b"), Doubt()),
    ):
        assert Capability.LOGITS not in text.capabilities


def test_members_go_by_the_models_behind_their_names():
    inner = TokenFuse((A, A), ("p", "q"), combine=Mean(), align=Shared())
    assert member_names(SpanFuse((inner, B), ("in", "b"))) == {"p": "A", "q": "A", "b": "B"}


def test_a_model_behind_a_client_has_no_weights_here():
    assert Declared("Z", Zoo(model="general-1")).weights.local
    with pytest.raises(ModelError, match="the weights of `A` cannot be read"):
        _ = A.weights


def test_prompts_are_rendered_for_the_query_that_is_asked():
    model = fuse(A, Prompted(B, Template(text="about {{ query }}")))
    assert [each[-1][1] for each in prompts(model, Query.of("q"))] == ["q", "about q"]


def test_weights_are_as_many_as_members_and_can_be_used():
    assert problems(lambda: fuse(A, B, weights=(1.0,))) == [("E403", "weights", None)]
    assert problems(lambda: fuse(A, B, weights=(0.0, 0.0))) == [("E402", "weights", None)]
    assert problems(lambda: fuse(A, B, weights=(2.0, -1.0))) == [("E402", "weights", None)]
    assert problems(lambda: fuse(A, B, weights=(1e308, 1e308))) == [("E402", "weights", None)]
    assert fuse(A, B, combine=Logs(), weights=(2.0, -1.0)).normalized_weights() == (2.0, -1.0)


def test_what_only_the_outermost_fuse_heeds_is_told_at_the_member():
    gated = fuse(A, B, gate=Unsure())
    assert problems(lambda: fuse(C, gated)) == [("E402", "", 1)]
    assert problems(lambda: SpanFuse((gated, C), ("x", "y"))) == [("E402", "", 0)]


def test_all_problems_are_told_at_once():
    make = lambda: fuse(A, B, gate=Unsure(), leave=True, draft=Safe(), weights=(1.0,))  # noqa: E731
    assert [code for code, *_ in problems(make)] == ["E403", "E402", "E402"]


def test_a_hand_over_has_as_many_experts_as_its_rule_knows():
    assert problems(lambda: Handoff((A, B, C), ("a", "b", "c"), Doubt())) == [("E206", "", None)]


def test_each_draw_has_a_seed_and_a_partial_answer_changes_it():
    numbers = iter(range(100))
    warm = Generate(A, Query.of("q"), Sampling(temperature=1.0), draws=2)
    assert warm.seeded(lambda: next(numbers)).seeds == (0, 1)
    behind = Generate(A, Query.of("q"), Sampling(temperature=1.0), "So", draws=2)
    first = behind.seeded(iter([0, 1]).__next__).seeds
    assert len({0, 1, *first}) == 4
    assert first == behind.seeded(iter([0, 1]).__next__).seeds


def test_greedy_draws_take_no_randomness():
    asked = Generate(A, Query.of("q"), draws=3)
    assert asked.seeded(lambda: pytest.fail("a seed was drawn")).seeds == (0, 0, 0)

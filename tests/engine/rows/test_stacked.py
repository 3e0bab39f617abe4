"""Models of one shape that step as one batched model, held against each alone."""

from copy import deepcopy
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.backends.zoo import Zoo
from composer.engine.engine import Engine
from composer.engine.rows import stacked_module
from composer.engine.rows.row import CacheRow, Feed
from composer.engine.rows.runner import Runner
from composer.engine.rows.stacked import StackedMembers
from composer.engine.weights.local import LocalModel, load
from composer.specs import Declared
from composer.values import Generate, Query, Sampling

MOST = 16


def model(name):
    return Declared(name, Zoo(model=name, device="cpu"))


def runners(*names):
    return [Runner(load(model(name))) for name in names]


@pytest.fixture(scope="module")
def three():
    with torch.inference_mode():
        alone, stacked = (
            runners("general-1", "maths", "text"),
            runners("general-1", "maths", "text"),
        )
        stack = StackedMembers(stacked, MOST)
    assert stack.apart is None
    return alone, stack


def test_members_share_their_memory_with_the_stack(three):
    alone, stack = three
    whole = {each.untyped_storage().data_ptr() for each in stack._module.parameters()}
    for own, runner in zip(alone, stack.runners, strict=True):
        parts, before = (dict(each.model.module.named_parameters()) for each in (runner, own))
        assert {each.untyped_storage().data_ptr() for each in parts.values()} == whole
        assert all(torch.equal(part, before[name]) for name, part in parts.items())


def test_a_member_that_reads_alone_reads_its_part_of_the_stack(three):
    _, stack = three
    for runner in stack.runners:
        layer, own = runner.rows._direct._layers[0], runner.model.module.model.layers[0]
        used = layer.queries_keys_values[0], layer.output, layer.gate, layer.up, layer.down
        parts = own.self_attn.q_proj, own.self_attn.o_proj
        parts += own.mlp.gate_proj, own.mlp.up_proj, own.mlp.down_proj
        assert [each.data_ptr() for each in used] == [part.weight.data_ptr() for part in parts]


COUNTS = st.lists(st.integers(0, 3), min_size=2, max_size=2).filter(any)
"""How many tokens each of two rows of a member reads in a step; one of them may read none."""


@torch.inference_mode()
@settings(max_examples=12)
@given(st.lists(st.tuples(COUNTS, COUNTS, COUNTS), min_size=1, max_size=4))
def test_stacked_steps_have_the_logits_of_steps_apart(three, schedule):
    alone, stack = three
    tables = [[runner.rows for runner in side] for side in (alone, stack.runners)]
    opened = [[[rows.allocate(), rows.allocate()] for rows in side] for side in tables]
    for side in range(2):
        for n, rows in enumerate(tables[side]):
            rows.forward([Feed(row, range(3, 7 + n), ()) for row in opened[side][n]])
    for step in schedule:
        feeds = [[_feeds(*pair) for pair in zip(side, step, strict=True)] for side in opened]
        expected = [run.forward(each) for run, each in zip(alone, feeds[0], strict=True)]
        for own, got in zip(expected, stack.forward(feeds[1]), strict=True):
            torch.testing.assert_close(got, own, atol=1e-4, rtol=1e-4)
    for side in range(2):
        for rows, own in zip(tables[side], opened[side], strict=True):
            for row in reversed(own):
                rows.free(row)


def _feeds(rows, counts):
    """What the rows of a member read; logits are wanted after the last token of each."""
    return [
        Feed(row, range(5, 5 + count), (count - 1,))
        for row, count in zip(rows, counts, strict=True)
        if count
    ]


def test_a_stack_takes_few_tokens_and_about_as_many_of_each_member(three):
    _, stack = three

    def feeds(*counts, length=5):
        return [[Feed(CacheRow(n, length), (1,), (0,)) for n in range(each)] for each in counts]

    assert stack.takes(feeds(1, 1, 1))
    assert stack.takes(feeds(4, 3, 2))
    assert not stack.takes(feeds(4, 1, 1))
    assert not stack.takes(feeds(MOST + 1, MOST + 1, MOST + 1))
    assert not stack.takes(feeds(1, 1, 1, length=0))


GROUPED = {"num_key_value_heads": 2, "intermediate_size": 48}
KINDS = {
    "Llama": GROUPED,
    "Qwen2": GROUPED | {"sliding_window": 4, "use_sliding_window": True, "max_window_layers": 1},
    "Qwen3": GROUPED | {"head_dim": 8},
    "Gemma2": GROUPED | {"head_dim": 8, "sliding_window": 6, "attn_logit_softcapping": 2.0},
    "GPT2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128},
    "Cohere": GROUPED,
}
"""Rotations, heads that share keys, windows, norms of heads, scaled embeddings."""


def pair(small, kind):
    """Two random models of one shape."""
    first = small(kind, **KINDS[kind])
    module = deepcopy(first.module)
    for tensor in module.parameters():
        tensor.data += 0.05 * torch.randn_like(tensor)
    return [
        Runner(each) for each in (first, LocalModel(module, first.tokenizer, first.device, "B"))
    ]


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_the_trial_holds_for_many_architectures(monkeypatch, small, kind, large):
    monkeypatch.setattr(stacked_module, "_LARGE", 0 if large else 1 << 30)
    assert StackedMembers(pair(small, kind), MOST).apart is None


@torch.inference_mode()
def test_experts_are_read_apart(small):
    options = GROUPED | {"num_local_experts": 2}
    both = [Runner(small("Mixtral", **options)) for _ in range(2)]
    assert StackedMembers(both, MOST).apart == "it has layers of the kind MixtralTopKRouter"


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (("general-1", "large"), "their configurations are different"),
        (("general-1", "other"), "they are of different architectures"),
    ],
)
def test_unlike_models_are_read_apart_with_the_reason(names, why):
    assert StackedMembers(runners(*names), MOST).apart == why


def test_a_stack_that_changes_logits_is_not_used(monkeypatch):
    from composer.engine.rows import stacked

    monkeypatch.setattr(stacked, "near", lambda *_: False)
    found = StackedMembers(runners("maths", "text"), MOST)
    assert found.apart == "stacked members have other logits than each alone"


def test_models_on_a_gpu_are_not_moved_in_memory(three):
    _, stack = three
    first = stack.runners[0]
    model = SimpleNamespace(device=torch.device("cuda:0"))
    both = [SimpleNamespace(rows=first.rows, model=model, alone=None, padded=None)] * 2
    assert "captured" in StackedMembers(both, MOST).apart


def answers(*, stack):
    names = "general-1", "maths", "text"
    questions = ["What is 17 plus 25?", "Write cat backwards.", "Add 3 and 4."]
    jobs = [
        Generate(model(n), Query.of(q), Sampling(max_tokens=12)) for n in names for q in questions
    ]
    with Engine() as engine:
        if stack:
            engine.stack([model(n) for n in names], MOST)
        tasks = [engine.task(job, None) for job in jobs]
        engine.begin(tasks)
        found = [task.future.result() for task in tasks]
        (stacks,) = {runner.stack for runner in engine._pool.runners()}
    return [(each.text, each.finish) for each in found], stacks


def test_an_engine_that_stacks_gives_the_same_answers(monkeypatch):
    passes = []
    forward = StackedMembers.forward
    monkeypatch.setattr(
        StackedMembers, "forward", lambda self, feeds: passes.append(1) or forward(self, feeds)
    )
    expected, none = answers(stack=False)
    assert none is None
    assert not passes
    got, stack = answers(stack=True)
    assert got == expected
    assert stack.apart is None
    assert len(passes) > 4


def test_members_of_a_pass_that_fails_are_read_apart(monkeypatch):
    expected, _ = answers(stack=False)

    def broken(*_):
        raise RuntimeError("boom")

    monkeypatch.setattr(StackedMembers, "_failure", lambda _: None)
    monkeypatch.setattr(StackedMembers, "_call", broken)
    got, stack = answers(stack=True)
    assert got == expected
    assert stack.apart == "a pass of stacked members failed (RuntimeError)"

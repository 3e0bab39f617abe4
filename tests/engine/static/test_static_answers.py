"""Static steps write the answers of ragged ones; what does not fit goes the ragged way."""

import weakref
from dataclasses import replace

import pytest
import torch
from fusing import LOGS, SHARED, Job, Part, Prompted, TokenFuse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from composer.diagnostics import Mistakes
from composer.engine.engine import Engine
from composer.engine.pool import weight_bytes
from composer.engine.rows.kv_cache import KeyValueCache
from composer.engine.static.setting import where_static
from composer.engine.static.steps import StaticSteps
from composer.engine.weights.local import load
from composer.values import Sampling
from composer.values.details import TokenDetail
from composer.values.processing import Processing

TEXTS = ["Lily", "Once upon a time there was a dog", "Tom and", "One day, a cat", "The", "Mum said"]
EACH = settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])

samplings = st.builds(
    Sampling,
    max_tokens=st.sampled_from([3, 9, 17]),
    temperature=st.sampled_from([0.0, 0.8]),
    top_k=st.sampled_from([0, 12]),
    top_p=st.sampled_from([0.9, 1.0]),
    seed=st.integers(0, 3),
)
asked = st.lists(st.tuples(st.sampled_from(TEXTS), samplings), min_size=1, max_size=6)


def job(member, text="Lily", weights=None, **how):
    return Job(member, ((("user", text),),), Sampling(**{"max_tokens": 9, **how}), weights)


def near(first, second):
    assert first.tokens == second.tokens
    assert first.logprobs == pytest.approx(second.logprobs, abs=1e-3)
    assert first.usage == second.usage
    assert first.facts == second.facts


@pytest.fixture
def members(model):
    """Members to ask by their names."""
    one, two, bytes_ = model("stories"), model("shakespeare"), model("rwkv")
    pair, names = (one, two), ("a", "b")
    return {
        "one model": one,
        "one vocabulary": TokenFuse(pair, names, align=SHARED),
        "logarithms": TokenFuse(pair, names, combine=LOGS, align=SHARED, weights=(0.7, 0.3)),
        "weighed by entropy": TokenFuse(pair, names, align=SHARED, weigh=Part("weigh.entropy")),
        "plausible": TokenFuse(pair, names, align=SHARED, plausible=0.1),
        "nested": TokenFuse((TokenFuse(pair, names), two), ("in", "out")),
        "prompts": TokenFuse((one, Prompted(one, 1)), names, align=SHARED),
        "extremes": TokenFuse(pair, names, combine=Part("combine.maximum"), align=SHARED),
        "recurrent": TokenFuse((one, bytes_), names),
    }


STATIC = ["one model", "one vocabulary", "logarithms", "weighed by entropy", "plausible", "nested"]


@pytest.mark.parametrize("name", [*STATIC, "extremes"])
def test_greedy_and_drawn_answers_are_the_same(name, members, both, static):
    jobs = [job(members[name], text, temperature=t) for text in TEXTS[:3] for t in (0.0, 0.9)]
    for pair in both(jobs):
        near(*pair)
    assert static.steps.answered > 5 * static.steps.left


@EACH
@given(asked)
def test_rows_that_join_and_leave_at_any_time(members, both, rows):
    fuse = members["one vocabulary"]
    jobs = [Job(fuse, ((("user", text),),), how) for text, how in rows]
    for pair in both(jobs):
        near(*pair)


def test_two_prompts_over_one_model_share_a_static_pass(members, both, static):
    prompts = ((("user", "Lily"),), (("user", "A big dog"),))
    for pair in both([Job(members["prompts"], prompts, Sampling(max_tokens=9))] * 2):
        near(*pair)
    assert static.steps.answered > static.steps.left


@pytest.mark.parametrize("align", ["align.union", "align.topk"])
def test_tokens_that_a_member_splits_are_caught_up_with_the_ragged_way(align, zoo, both, static):
    pair = TokenFuse((zoo("general-1"), zoo("other")), ("a", "b"), align=Part(align, {"k": 10}))
    jobs = [job(pair, f"What is {n} plus {n * 7}?", temperature=n % 2) for n in range(6)]
    for one in both(jobs):
        near(*one)
    assert static.steps.answered > 0 < static.steps.left


def test_answers_of_unlike_weights_are_steps_of_their_own(members, both):
    fuse = members["logarithms"]
    jobs = [job(fuse, weights=(w, 1 - w)) for w in (0.2, 0.5, 1.0, 0.2)]
    for pair in both(jobs):
        near(*pair)


@pytest.mark.parametrize(
    "how", [{"logit_bias": (("a", 2.0),)}, {"repetition_penalty": 1.3}, {"min_tokens": 4}]
)
def test_processors_go_the_ragged_way(how, members, both, static):

    sampling = Sampling(max_tokens=6, processing=Processing(**how))
    for pair in both([Job(members["one model"], ((("user", "Lily"),),), sampling)]):
        near(*pair)
    assert static.steps.answered == 0


def test_details_and_states_go_the_ragged_way(members, both, static):
    detailed = replace(job(members["one model"]), detail=TokenDetail(top=2))
    for pair in both([detailed, job(members["recurrent"])]):
        assert pair[0].tokens == pair[1].tokens
        assert len(pair[0].choices) == len(pair[1].choices)
    assert static.steps.answered == 0


def test_nan_is_left_to_the_ragged_way_which_names_the_member(members, static, monkeypatch):
    fuse = replace(members["one vocabulary"], leave=True)
    done = static.generate(job(fuse)).result(60)
    (_, late) = static._pool.get(fuse.members)
    plain = late.model.module.forward

    def spoiled(*args, **options):
        out = plain(*args, **options)
        if int(options["position_ids"].max()) > 6:
            out.logits = out.logits * torch.nan
        return out

    monkeypatch.setattr(late.model.module, "forward", spoiled)
    monkeypatch.setattr(late.rows, "_direct", None)  # which does without that forward
    left = static.generate(job(fuse)).result(60)
    assert list(left.left) == ["b"]
    assert len(left.tokens) == len(done.tokens)


def test_a_step_that_fails_goes_the_ragged_way_and_says_so_once(members, both, monkeypatch):
    from composer.engine.static import step

    def broken(*_):
        raise RuntimeError("no kernel")

    monkeypatch.setattr(step, "draw_all", broken)
    fuse = replace(members["one vocabulary"], names=("c", "d"))
    (pair,) = both([job(fuse)])
    assert pair[0].tokens == pair[1].tokens
    assert pair[0].usage == pair[1].usage
    assert "no kernel" in pair[1].facts["static_step"]


def test_a_step_reads_no_rows_for_which_there_was_no_memory(members, engine, monkeypatch):
    plain = KeyValueCache._widen

    def tight(self, rows, room):
        if rows == 2 * self._rows:
            raise torch.OutOfMemoryError
        plain(self, rows, room)

    monkeypatch.setattr(KeyValueCache, "_widen", tight)
    jobs = [job(members["one model"], text) for text in TEXTS[:5]]
    with Engine(static=StaticSteps("everywhere")) as made:
        tasks = [made.task(each, None) for each in jobs]
        made.begin(tasks)
        for each, task in zip(jobs, tasks, strict=True):
            near(engine.generate(each).result(60), task.future.result(60))
        (runner,) = made._pool.runners()
    assert runner.rows.most_rows == 5


@pytest.mark.parametrize("where", ["gpus", "everywhere", "nowhere", ""])
def test_the_environment_says_where_steps_are_static(where, monkeypatch):
    monkeypatch.setenv("COMPOSE_STATIC", where)
    assert where_static() == (where or "gpus")


def test_a_place_that_is_unknown_is_refused(monkeypatch):
    monkeypatch.setenv("COMPOSE_STATIC", "yes")
    with pytest.raises(Mistakes) as caught:
        where_static()
    (mistake,) = caught.value.diagnostics
    assert mistake.code == "E715"
    assert "must be `gpus`, `everywhere` or `nowhere`, not 'yes'" in mistake.message


@pytest.mark.parametrize("where", ["nowhere", "everywhere"])
def test_an_unloaded_model_has_left_memory_when_the_next_one_is_loaded(where, zoo):
    seen, first = [], []

    def loader(checkpoint, device):
        seen.append([each() is None for each in first])
        made = load(checkpoint, device)
        first.append(weakref.ref(made))
        return made

    room = {"cpu": weight_bytes(zoo("general-1"), "cpu") * 3 // 2}
    with Engine(room, loader=loader, static=StaticSteps(where)) as made:
        for name in ("general-1", "maths"):
            made.generate(job(zoo(name))).result(60)
    assert seen == [[], [True]]

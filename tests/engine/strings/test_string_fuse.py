"""String fusion by the engine: against sums over all strings, and as an answer like others."""

import itertools
import math
from collections import Counter
from dataclasses import replace

import pytest
from few_tokens import tiny
from fusing import SHARED, Job, Part, TokenFuse

from composer.engine.engine import Engine
from composer.engine.sessions.prefixes.joint import JointView
from composer.engine.sessions.prefixes.view import END
from composer.methods.strings import Mean
from composer.specs import ByteFuse, StringFuse
from composer.values import ModelError, Processing, Sampling
from composer.values.details import TokenDetail

MOST = 3
NAMES = ("letters", "pairs", "triples")
TEXT = "Once upon a time"


def fuse_of(members, f="mean", weights=None, **options):
    """Return a string fuse of some models."""
    part = Part(f"stringmean.{f}")
    names = tuple("abc"[: len(members)])
    return StringFuse(tuple(members), names, weights, f=part, **options)


def shares_of(strings, names, mean):
    """The share of each string of at most so many bytes; what is cut has the share of beginning."""
    wholes = [strings(name) for name in names]
    values = {}
    for size in range(MOST + 1):
        for text in map(bytes, itertools.product(b"ab", repeat=size)):
            own = [each.begins(text) if size == MOST else each.writes(text) for each in wholes]
            values[text.decode()] = mean(own)
    total = sum(values.values())
    return {text: value / total for text, value in values.items()}


def test_a_mean_chooses_a_member_and_draws_its_whole_string(engine, few, strings):
    members, weights = [few[name] for name in NAMES[1:]], (0.3, 0.7)
    fuse = fuse_of(members, weights=weights, particles=1, beam=64, prune=0.0)
    prompt = (("user", "ab"),)
    jobs = [
        Job(fuse, (prompt,), Sampling(temperature=1.0, max_tokens=MOST, seed=seed))
        for seed in range(160)
    ]
    made = Counter(future.result(120).text for future in [engine.generate(job) for job in jobs])
    mixed = shares_of(strings, NAMES[1:], lambda own: 0.3 * own[0] + 0.7 * own[1])
    likely = {text: share for text, share in mixed.items() if share * len(jobs) > 5}
    cells = [(made[text], share) for text, share in likely.items()]
    cells.append((len(jobs) - sum(n for n, _ in cells), 1 - sum(p for _, p in cells)))
    statistic = sum((n - len(jobs) * p) ** 2 / (len(jobs) * p) for n, p in cells if p > 0)
    freedom = len(cells) - 1
    assert freedom >= 4
    assert statistic < freedom + 4 * math.sqrt(2 * freedom) + 4  # beyond 0.999


@pytest.mark.parametrize("f", ["product", "minimum"])
def test_the_shares_are_those_of_whole_strings(write, few, strings, f):
    fuse = fuse_of([few[name] for name in NAMES[:2]], f, particles=800, beam=64, prune=0.0)
    made = write(fuse, "ab", max_tokens=MOST)
    expected = shares_of(strings, NAMES[:2], math.prod if f == "product" else min)
    told = {each["text"]: each["share"] for each in made.facts["strings"]}
    top = sorted(expected, key=lambda text: -expected[text])[:4]
    assert all(abs(told.get(text, 0.0) - expected[text]) < 0.06 for text in top)
    assert made.text == max(told, key=told.get)
    assert made.confidence == pytest.approx(told[made.text])


def test_one_member_draws_as_it_does_alone_and_all_particles_weigh_the_same(write, few):
    made = write(fuse_of([few["pairs"]], "product", particles=12), "ab", max_tokens=4)
    assert made.facts["effective_particles"] == pytest.approx(12)
    assert made.facts["resamplings"] == 0


def test_a_seed_repeats_an_answer_and_others_differ(write, few):
    fuse = fuse_of(few.values(), "product", particles=3)
    texts = [
        write(fuse, "ab", temperature=1.5, max_tokens=12, seed=seed).text for seed in (1, 1, 2, 3)
    ]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


@pytest.fixture(scope="module")
def pair(model):
    return model("stories"), model("rwkv")


def test_unlike_tokenizers_write_one_text_which_is_streamed(pair, write, engine):
    pieces = []
    made = write(fuse_of(pair, "product", particles=4), TEXT, max_tokens=16, on_text=pieces.append)
    assert "".join(pieces) == made.text
    assert len(made.tokens) == len(made.logprobs) == 16
    assert made.finish == "length"
    assert all(usage.calls and usage.completion_tokens for usage in made.usage.values())
    assert all(runner.idle for runner in engine._pool.runners())


def test_an_answer_ends_before_a_stop_string(pair, write):
    fuse = fuse_of(pair, "product", particles=4)
    whole = write(fuse, TEXT, max_tokens=16)
    stop = whole.text[6:9]
    made = write(fuse, TEXT, max_tokens=16, stop=(stop,))
    assert stop not in made.text
    assert made.finish == "stop"


def test_a_member_without_a_weight_is_not_asked(pair, write):
    made = write(fuse_of(pair, "product", (1.0, 0.0), particles=2), TEXT, max_tokens=4)
    assert set(made.usage) == {"a"}


def test_several_at_once_equal_one_at_a_time(engine, pair):
    fuse = fuse_of(pair, "product", particles=3)
    prompts = [((("user", text),),) for text in (TEXT, "The dog", "Lily saw a big")]
    jobs = [Job(fuse, prompt, Sampling(max_tokens=8)) for prompt in prompts]
    together = [each.result(60).text for each in [engine.generate(job) for job in jobs]]
    assert together == [engine.generate(job).result(60).text for job in jobs]


def test_answers_begin_as_the_cache_has_room_for_their_particles(few, monkeypatch):
    fuse = fuse_of(few.values(), "mean", particles=8)
    jobs = [Job(fuse, ((("user", "ab"),),), Sampling(max_tokens=6, seed=n)) for n in range(5)]
    active = []
    with Engine(rows=24) as small:
        step = small._advance
        monkeypatch.setattr(small, "_advance", lambda: (active.append(len(small._active)), step()))
        texts = [each.result(60).text for each in [small.generate(job) for job in jobs]]
    assert len(texts) == 5
    assert 1 <= max(active) <= 3


def test_all_particles_and_their_tokenizations_share_the_passes_of_a_model(pair, engine, write):
    fuse = fuse_of(pair, "mean", particles=8, prune=0.0)
    write(fuse, TEXT, max_tokens=1)
    runners, passes = engine._pool.runners(), []
    with pytest.MonkeyPatch.context() as patch:
        for runner in runners:
            read = runner.forward
            patch.setattr(
                runner,
                "forward",
                lambda *a, read=read, **k: (passes.append(len(a[0])), read(*a, **k))[1],
            )
        made = write(fuse, TEXT, max_tokens=10)
    assert len(passes) <= 2 * 11  # the prompt, and each byte, of two models
    assert sum(passes) > 2 * len(passes)
    assert sum(usage.calls for usage in made.usage.values()) == sum(passes)


def test_logits_that_are_no_numbers_are_an_error_of_the_member(tmp_path, few, write):
    broken = tiny(tmp_path / "broken", ["a", "b"], [], 1, sharp=math.nan)
    with pytest.raises(ModelError, match="broken gave logits that are not numbers") as error:
        write(fuse_of([few["pairs"], broken], "mean"), "ab", max_tokens=3)
    assert error.value.code == "E704"


def test_members_without_a_common_string_are_an_error(tmp_path, write, engine):
    members = [tiny(tmp_path / name, [name], [], 0, end=None) for name in "xy"]
    with pytest.raises(ModelError, match="under all members") as error:
        write(fuse_of(members, "product"), "", max_tokens=3)
    assert error.value.code == "E705"
    assert all(runner.idle for runner in engine._pool.runners())


def test_a_full_context_ends_the_answer(tmp_path, write):
    short = tiny(tmp_path / "short", ["a", "b"], [], 1, context=6, sharp=1.0)
    made = write(fuse_of([short], "product", particles=8, prune=0.0), "ab", max_tokens=50)
    assert made.finish in {"context", "stop"}
    assert len(made.text) <= 6


@pytest.mark.parametrize("kind", ["string", "byte"])
def test_details_of_bytes_are_those_of_the_members(engine, few, strings, kind):
    told = []
    members = [few[name] for name in NAMES[:2]]
    fuse = fuse_of(members, "mean", (0.25, 0.75), particles=2, beam=64, prune=0.0)
    if kind == "byte":
        fuse = ByteFuse(tuple(members), ("a", "b"), (0.25, 0.75), tokenizations=64)
    job = Job(fuse, ((("user", "ab"),),), Sampling(max_tokens=3))
    job = replace(job, detail=TokenDetail(top=2, members=1), on_token=told.append)
    made = engine.generate(job).result(60)
    assert tuple(told) == made.choices
    assert [choice.chosen.logprob for choice in told] == pytest.approx(made.logprobs)
    wholes, text = [strings(name) for name in NAMES[:2]], made.text.encode()
    for n, choice in enumerate(told[: len(text)]):
        own = [whole.begins(text[: n + 1]) / whole.begins(text[:n]) for whole in wholes]
        assert [math.exp(each.logprob) for each in choice.members] == pytest.approx(own, rel=0.1)
        assert [each.weight for each in choice.members] == [0.25, 0.75]
        assert choice.chosen.piece == text[n : n + 1]
        assert choice.top[0].logprob >= choice.top[1].logprob
        assert all(len(each.top) == 1 for each in choice.members)


def test_a_byte_has_no_token_id(engine, few):
    fuse = fuse_of(few.values(), "product")
    job = replace(Job(fuse, ((("user", "ab"),),)), detail=TokenDetail(ids=(1,)))
    with pytest.raises(ModelError, match="no token ids"):
        engine.generate(job)


def test_a_mean_of_beginnings_is_a_mixture_exactly(view, strings, session):
    wholes = [strings(name) for name in NAMES[1:]]
    joint = JointView([view(name) for name in NAMES[1:]], Mean().logs, [0.3, 0.7])
    place = session(joint.start())
    for byte in b"abaab":
        first, second = (whole.writes(place.text) for whole in wholes)
        assert math.exp(place.following[END]) == pytest.approx(0.3 * first + 0.7 * second, rel=1e-5)
        total = sum(math.exp(value) for value in place.following)
        assert math.log(total) == pytest.approx(place.value, abs=1e-9)  # so weights are constant
        (place,) = session(joint.extended([(place, byte)]))


def test_bytes_that_are_no_text_do_no_harm(pair, write):
    made = write(fuse_of(pair, "mean", particles=6), "\u4f60", temperature=3.0, max_tokens=24)
    assert "<s>" not in made.text
    assert 0 < len(made.tokens) <= 24


@pytest.mark.parametrize("how", [{"top_k": 1}, {"top_p": 0.5}])
def test_filters_act_on_the_members_own_tokens(write, model, how):
    alone = write(model("stories"), TEXT, temperature=1.0, max_tokens=4, top_k=1).text
    fuse = fuse_of([model("stories")], "product", particles=3)
    texts = {write(fuse, TEXT, temperature=1.0, max_tokens=8, seed=s, **how).text for s in range(3)}
    assert all(texts)
    if "top_k" in how:
        assert {text[: len(alone)] for text in texts} == {alone[:8]}


def test_a_fuse_of_tokens_can_be_a_member(write, model):
    inner = TokenFuse((model("stories"), model("shakespeare")), ("x", "y"), align=SHARED)
    made = write(fuse_of([inner, model("rwkv")], "product", particles=3), TEXT, max_tokens=6)
    assert len(made.tokens) == 6
    assert {"x", "y", "b"} <= set(made.usage)


def test_least_lengths_are_kept_in_bytes(few, write):
    made = write(
        fuse_of(few.values(), "product"),
        "ab",
        max_tokens=9,
        processing=Processing(min_tokens=9),
    )
    assert len(made.text) == 9

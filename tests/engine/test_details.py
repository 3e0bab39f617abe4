"""Details of tokens against plain arithmetic, and that wanting them changes no answer."""

import math
from dataclasses import replace

import pytest
import torch
from fusing import LOGS, SHARED, Job, Part, SpanFuse, TokenFuse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from composer.specs import ByteFuse, Handoff, missing_detail
from composer.values import ModelError, Sampling
from composer.values.details import MemberChoice, TokenDetail

TEXT = "What is 17 plus 25?"
DETAIL = TokenDetail(top=4, ids=(100, 101, 222), members=3)


@pytest.fixture
def tell(engine):
    """Answer with details, and hold the answer against the same without them."""

    def run(member, detail=DETAIL, prefix="", **how):
        job = Job(member, ((("user", TEXT),),), Sampling(**{"max_tokens": 6, **how}), prefix=prefix)
        plain, tokens = engine.generate(job).result(60), []
        told = engine.generate(replace(job, detail=detail, on_token=tokens.append)).result(60)
        assert replace(told, choices=()) == plain
        assert tuple(tokens) == told.choices
        assert len(told.choices) == len(told.tokens) > 0
        for token, choice in zip(told.tokens, told.choices, strict=True):
            assert choice.chosen.piece.decode(errors="replace") == token
        return told

    return run


@pytest.fixture(scope="module")
def pair(zoo):
    return zoo("general-1"), zoo("maths")


def expected(plain, members, choices, combine):
    """The members' log-probabilities at each token, and those of `combine`, in float64."""
    models = [plain(member) for member in members]
    ids: list[int] = []
    for choice in choices:
        own = [model.after(model.prompt(TEXT) + ids) for model in models]
        yield choice, own, combine(own)
        ids.append(choice.chosen.id)


def mean(own):
    return (0.3 * own[0].exp() + 0.7 * own[1].exp()).log()


@pytest.mark.parametrize(
    ("combine", "by_hand"),
    [("mean", mean), ("logs", lambda own: (0.3 * own[0] + 0.7 * own[1]).log_softmax(-1))],
)
def test_the_likeliest_of_a_fuse_and_its_members_equal_arithmetic(
    pair, plain, tell, combine, by_hand
):
    fuse = TokenFuse(pair, ("A", "B"), (0.3, 0.7), combine=Part(f"combine.{combine}"), align=SHARED)
    told = tell(fuse)
    for choice, own, fused in expected(plain, pair, told.choices, by_hand):
        best = fused.topk(DETAIL.top)
        assert [token.id for token in choice.top[:4]] == best.indices.tolist()
        given_ids = [token.id for token in choice.top[4:]]
        assert given_ids == [i for i in DETAIL.ids if i not in best.indices]
        for token in choice.top:
            assert token.logprob == pytest.approx(fused[token.id].item(), abs=1e-3)
        assert [(m.name, m.weight) for m in choice.members] == [("A", 0.3), ("B", 0.7)]
        for member, logprobs in zip(choice.members, own, strict=True):
            assert member.logprob == pytest.approx(logprobs[choice.chosen.id].item(), abs=1e-4)
            assert [token.id for token in member.top] == logprobs.topk(3).indices.tolist()


def test_the_chosen_token_has_one_number(pair, tell):
    fuse = TokenFuse(pair, ("A", "B"), (0.3, 0.7))
    for member in (pair[0], fuse):
        told = tell(member, TokenDetail(top=3))
        for choice, logprob in zip(told.choices, told.logprobs, strict=True):
            assert choice.chosen.logprob == logprob == max(t.logprob for t in choice.top)
            assert choice.top[0] == choice.chosen
            assert choice.members == ()
    warm = tell(fuse, TokenDetail(top=500), temperature=2.0, seed=5)
    for choice in warm.choices:
        assert choice.chosen in choice.top
        assert list(choice.top) == sorted(choice.top, key=lambda token: -token.logprob)


def test_the_greedy_choice_among_equals_is_the_likeliest(pair, tell):
    """Of tokens that a bias makes equal beyond all others, the drawn one is told as the first."""
    bias = ((40, 100.0), (41, 100.0), (42, 100.0))
    made = tell(pair[0], TokenDetail(top=2), max_tokens=1, processing=_biased(bias))
    (choice,) = made.choices
    assert choice.top[0] == choice.chosen


def _biased(bias):
    from composer.values import Processing

    return Processing(logit_bias=bias)


def test_members_of_a_member_are_told_as_its_own(pair, zoo, tell):
    inner = TokenFuse(pair, ("A", "B"), (0.3, 0.7), combine=LOGS)
    outer = TokenFuse((inner, zoo("text")), ("both", "C"), (0.5, 0.5))
    alone = {name: tell(m).choices[0] for name, m in zip("AB", pair, strict=True)}
    both, other = tell(outer).choices[0].members
    assert (both.name, both.weight, other.name, other.weight) == ("both", 0.5, "C", 0.5)
    assert [(m.name, m.weight) for m in both.members] == [("A", 0.3), ("B", 0.7)]
    assert both.top == tuple(tell(inner).choices[0].top[:3])
    for member in both.members:
        assert member.top == alone[member.name].top[:3]
    assert other.members == ()


def test_a_closed_gate_asks_the_first_alone(pair, tell):
    fuse = TokenFuse(pair, ("A", "B"), (0.3, 0.7), gate=Part("gate.unsure"))
    for eager in (fuse, replace(fuse, lazy=True)):
        shut, opened, *_ = tell(eager).choices
        assert [member.weight for member in shut.members] == [1.0, 0.0]
        assert shut.members[1] == MemberChoice("B", 0.0)
        assert [member.weight for member in opened.members] == [0.3, 0.7]


def test_weights_of_a_place_are_those_that_were_used(pair, plain, tell):
    fuse = TokenFuse(pair, ("A", "B"), align=SHARED, weigh=Part("weigh.entropy"))
    told = tell(fuse)
    for choice, own, _ in expected(plain, pair, told.choices, mean):
        sure = [1 / -(p.exp() * p).sum().clamp(max=-1e-6).item() for p in own]
        weights = [each / sum(sure) for each in sure]
        assert [m.weight for m in choice.members] == pytest.approx(weights, rel=1e-3)
    for choice in tell(replace(fuse, weigh=Part("weigh.consistent"))).choices:
        assert sum(member.weight for member in choice.members) > 0.5


def test_weights_of_the_prompt_are_told(pair, tell):
    told = tell(TokenFuse(pair, ("A", "B"), weigh=Part("weigh.perplexity")))
    assert told.weights != {"A": 0.5, "B": 0.5}
    for choice in told.choices:
        assert {member.name: member.weight for member in choice.members} == told.weights


@pytest.mark.parametrize("align", ["union", "topk", "relative"])
def test_unlike_vocabularies_are_told_by_bytes(pair, zoo, tell, align):
    first, other = pair[0], zoo("other")
    fuse = TokenFuse((first, other), ("A", "o"), align=Part(f"align.{align}"))
    own = {"A": tell(first).choices[0], "o": tell(other, TokenDetail(top=3)).choices[0]}
    choice = tell(fuse).choices[0]
    for member in choice.members:
        alone = own[member.name].top[:3]
        assert [(t.piece, t.logprob) for t in member.top] == [(t.piece, t.logprob) for t in alone]
        assert member.logprob == own[member.name].chosen.logprob
    assert {token.id for token in choice.top} >= set(DETAIL.ids)


@pytest.mark.parametrize("draft", ["speculative", "safe"])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_drafted_tokens_have_their_details(pair, tell, draft, temperature):
    fuse = TokenFuse(pair, ("A", "B"), (0.3, 0.7), draft=Part(f"draft.{draft}"))
    told = tell(fuse, temperature=temperature, max_tokens=12)
    for choice, logprob in zip(told.choices, told.logprobs, strict=True):
        assert choice.chosen.logprob == logprob
        assert len(choice.members) == 2


def test_where_one_member_writes_it_has_the_weight(pair, zoo, tell):
    members, names = (pair[0], zoo("other")), ("A", "o")
    span = tell(SpanFuse(members, names), TokenDetail(top=2, members=2), max_tokens=12)
    writers = [next(m for m in c.members if m.weight) for c in span.choices]
    assert [w.weight for w in writers] == [1.0] * len(writers)
    assert {w.name for w in writers} == {span.winner for span in span.spans}
    doubt = Handoff(members, names, Part("handover.doubt", {"window": 1, "below": 0.9}))
    told = tell(doubt, TokenDetail(top=2, members=2))
    first, second = (next(m.name for m in c.members if m.weight) for c in told.choices[:2])
    assert (first, second) == ("A", "o")
    assert told.choices[1].chosen.id == 20  # of A's tokenizer, though the other wrote it


@pytest.mark.parametrize("how", [{"beam": 1}, {"beam": 3}])
def test_bytes_have_alternatives_and_no_ids(pair, zoo, tell, how):
    fuse = ByteFuse((pair[0], zoo("other")), ("A", "o"), (0.3, 0.7), **how)
    for sampling in ({}, {"temperature": 0.9, "seed": 3}):
        told = tell(fuse, TokenDetail(top=3, members=2), **sampling)
        for choice, logprob in zip(told.choices, told.logprobs, strict=True):
            assert choice.chosen.logprob == logprob
            assert choice.chosen.id is None
            assert len({token.piece for token in choice.top}) == len(choice.top) == 3
            wrote = [(m.weight, m.logprob) for m in choice.members if m.weight]
            mean = sum(w * p for w, p in wrote) / sum(w for w, _ in wrote)
            assert mean == pytest.approx(logprob, abs=1e-5)


def test_ids_that_nobody_has_are_refused(pair, zoo, tell):
    with pytest.raises(ModelError, match="no token with the id 100000") as error:
        tell(pair[0], TokenDetail(ids=(100000,)))
    assert error.value.code == "E402"
    unlike = SpanFuse((pair[0], zoo("other")), ("A", "o"))
    assert "different tokenizers" in missing_detail(unlike, TokenDetail(ids=(1,)))
    assert "no token ids" in missing_detail(
        ByteFuse(unlike.members, unlike.names), TokenDetail(ids=(1,))
    )
    assert missing_detail(unlike, TokenDetail(top=5, members=5)) == ""
    with pytest.raises(ModelError, match="different tokenizers"):
        tell(unlike, TokenDetail(ids=(1,)))


def test_an_id_that_the_fuse_cannot_write_is_impossible(pair, zoo, tell):
    special = 0  # the padding of the zoo's tokenizer is no text
    fuse = TokenFuse((pair[0], zoo("other")), ("A", "o"))
    choice = tell(fuse, TokenDetail(ids=(special,))).choices[0]
    assert [(t.id, t.logprob) for t in choice.top] == [(special, -math.inf)]


@torch.inference_mode()
def test_nothing_is_computed_where_nobody_wants_details(pair, engine, monkeypatch):
    from composer.engine.requests import details

    def refuse(*_):
        raise AssertionError("details were computed")

    monkeypatch.setattr(details.Details, "__init__", refuse)
    fuse = TokenFuse(pair, ("A", "B"))
    for draft in (None, Part("draft.speculative")):
        job = Job(replace(fuse, draft=draft), ((("user", TEXT),),), Sampling(max_tokens=4))
        assert engine.generate(job).result(60).text


KINDS = st.sampled_from(["mean", "logs", "maximum", "minimum"])
ALIGNS = st.sampled_from(["shared", "union", "topk"])


@given(
    combine=KINDS,
    align=ALIGNS,
    weights=st.sampled_from([(0.3, 0.7), (1.0, 0.0), (0.0, 1.0)]),
    gate=st.sampled_from([None, "unsure"]),
    weigh=st.sampled_from([None, "entropy", "agreeing", "consistent"]),
    plausible=st.sampled_from([0.0, 0.1]),
    temperature=st.sampled_from([0.0, 0.8]),
    detail=st.builds(
        TokenDetail,
        top=st.integers(0, 5),
        members=st.integers(0, 3),
        ids=st.lists(st.integers(0, 300), max_size=3, unique=True).map(tuple),
    ),
)
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_details_change_no_answer(  # noqa: PLR0913 - what may change it
    pair, zoo, tell, combine, align, weights, gate, weigh, plausible, temperature, detail
):
    members = pair if align == "shared" else (pair[0], zoo("other"))
    fuse = TokenFuse(
        members,
        ("A", "B"),
        weights,
        combine=Part(f"combine.{combine}"),
        align=Part(f"align.{align}"),
        gate=gate and Part(f"gate.{gate}"),
        weigh=weigh and Part(f"weigh.{weigh}"),
        plausible=plausible,
    )
    told = tell(fuse, detail, temperature=temperature, seed=7, max_tokens=3)
    for choice, logprob in zip(told.choices, told.logprobs, strict=True):
        assert choice.chosen.logprob == logprob
        ranked = choice.top[: detail.top]
        assert not ranked or temperature or ranked[0] == choice.chosen

"""Weights of a span fuse that change from span to span, and members that rest."""

import math
from types import SimpleNamespace

import pytest
from fusing import SpanFuse
from hypothesis import given
from hypothesis import strategies as st
from span_cast import Client, Fake, fused

from composer.engine.sessions.base import together
from composer.engine.sessions.span_asking import Candidate
from composer.engine.sessions.span_parts import ScoredRound
from composer.methods import find_part
from composer.methods.spans.wins import win_rates
from composer.values import Query

Hedge, LowShare = find_part("spanweigh", "hedge"), find_part("exit", "low_share")
TEXT = "Once upon a time"


def round_of(scores, proposers=None, members=None):
    """A round with equal weights; by default member n proposes candidate n."""
    count = len(scores[0])
    totals = tuple(sum(s or 0 for s in column) for column in zip(*scores, strict=True))
    return ScoredRound(
        tuple(members or range(len(scores))),
        tuple(proposers or ((n,) for n in range(count))),
        tuple(map(tuple, scores)),
        totals,
        max(range(count), key=totals.__getitem__),
    )


THREE = round_of([[-1, -2, -3], [-2, -1, -3], [-1, -3, -2]])


def test_a_win_rate_counts_what_the_others_compare():
    """Of 0: member 1 finds it worse than 1, better than 2, and member 2 better than both."""
    assert win_rates(THREE) == {0: 3 / 4, 1: 1 / 4, 2: 0.0}


def test_equal_scores_are_half_a_win_and_missing_ones_do_not_count():
    assert win_rates(round_of([[-1, -1], [-1, -2]])) == {0: 1.0, 1: 0.5}
    assert win_rates(round_of([[-1], [-1]], [(0, 1)])) == {0: 0.5, 1: 0.5}
    assert win_rates(round_of([[-1, None], [-2, -1]])) == {0: 0.0}
    assert win_rates(round_of([[-1]])) == {}


def test_the_best_of_several_proposals_is_compared():
    scores = [[-5, -1, -2], [-5, -1, -2]]
    assert win_rates(round_of(scores, [(0,), (0,), (1,)])) == {0: 1.0, 1: 0.0}


def test_members_go_by_their_places_in_the_fuse():
    assert win_rates(round_of([[-1, -2], [-1, -2]], [(4,), (2,)], (2, 4))) == {2: 0.0, 4: 1.0}


def test_hedge_multiplies_by_the_win_rates():
    start = {"a": 0.5, "b": 0.25, "c": 0.25}
    weights = Hedge(rate=2.0).start(start, Query.of("?"))
    assert weights.weights("") == (0.5, 0.25, 0.25)
    weights.learn(THREE)
    eta = 2 * math.sqrt(1 / 3)
    first = [0.5 * math.exp(eta * 0.75), 0.25 * math.exp(eta * 0.25), 0.25]
    assert weights.weights(" red") == pytest.approx([w / sum(first) for w in first])
    weights.learn(THREE)
    second = [w * math.exp(eta / 2 * r) for w, r in zip(first, (0.75, 0.25, 0), strict=True)]
    assert weights.weights(" red") == pytest.approx([w / sum(second) for w in second])


@given(
    st.lists(st.lists(st.floats(-50, 0), min_size=9, max_size=9), min_size=1, max_size=20),
    st.lists(st.floats(0.01, 1), min_size=3, max_size=3),
    st.floats(0, 10),
)
def test_weights_stay_positive_and_add_up_to_one(rounds, given_weights, rate):
    weights = Hedge(rate=rate).start(dict(zip("abc", given_weights, strict=True)), Query.of("?"))
    for scores in rounds:
        weights.learn(round_of([scores[:3], scores[3:6], scores[6:]]))
        now = weights.weights("")
        assert min(now) > 0
        assert sum(now) == pytest.approx(1)


@given(st.integers(1, 30), st.floats(0.01, 10), st.floats(0.05, 0.9))
def test_a_member_that_always_wins_gains_and_a_rate_of_zero_changes_nothing(count, rate, share):
    start = {"a": share, "b": 1 - share}
    moving, still = (Hedge(rate=each).start(start, Query.of("?")) for each in (rate, 0))
    for _ in range(count):
        before = moving.weights("")[0]
        moving.learn(round_of([[-1, -2], [-1, -2]]))
        still.learn(round_of([[-1, -2], [-1, -2]]))
        assert moving.weights("")[0] > before
    assert still.weights("") == pytest.approx((share, 1 - share))


def test_the_weights_of_a_round_are_those_of_the_rounds_before():
    """`a` wins the first round; then its word wins the second, which it would lose before."""
    spans = {"a": [b" red", b" sky"], "b": [b" blue", b" sea"]}
    one = {b" red": -1.0, b" blue": -2.0, b" sky": -1.0, b" sea": -2.0}
    other = {b" red": -1.0, b" blue": -2.0, b" sky": -2.2, b" sea": -1.0}
    members = [Fake("a", spans["a"], one), Fake("b", spans["b"], other)]
    assert fused(members, max_tokens=4).text == " red sea"
    members = [Fake("a", spans["a"], one), Fake("b", spans["b"], other)]
    made = fused(members, options={"weigh": Hedge(rate=1.0)}, max_tokens=4)
    assert made.text == " red sky"
    share = 1 / (1 + math.exp(-math.sqrt(1 / 2)))
    assert made.spans[0].weights == {"a": 0.5, "b": 0.5}
    assert made.spans[1].weights == pytest.approx({"a": share, "b": 1 - share})


class Chain(Client):
    """Proposes one letter a round; all find that of the best member likeliest."""

    letters = (b" a", b" b", b" c")
    best = b" a"

    async def propose(self, request):
        await self.pause()
        self.asked = [*getattr(self, "asked", []), len(request.before.split())]
        return [Candidate(b" " + self.name.encode(), ended=False, tokens=("t",))]

    async def score(self, candidates):
        return [(-1.0 if each.text == self.best else -2.0,) for each in candidates]


class ChainHere(Chain):
    async def pause(self):
        self.calls += 1


@pytest.mark.parametrize("kind", [Chain, ChainHere])
def test_a_member_that_rests_is_not_asked_until_it_returns(kind):
    ways = {} if kind is Chain else {"way": together}
    members = [kind(name, [], {}) for name in "ab"]
    exit_ = LowShare(below=0.2, over=2, again=3)
    made = fused(members, options={"exit": exit_}, max_tokens=12, **ways)
    assert members[0].asked == list(range(12))
    assert members[1].asked == [0, 1, 5, 9]
    assert [len(span.weights) for span in made.spans] == [2, 2, 1, 1, 1, 2, 1, 1, 1, 2, 1, 1]
    assert members[1].text == members[0].text


def test_a_member_that_wins_when_it_returns_stays():
    class Late(Chain):
        async def score(self, candidates):
            best = b" a" if len(self.text.split()) < 4 else b" b"
            return [(-1.0 if each.text == best else -2.0,) for each in candidates]

    members = [Late(name, [], {}) for name in "ab"]
    exit_ = LowShare(below=0.2, over=2, again=3)
    made = fused(members, options={"exit": exit_}, max_tokens=10)
    assert members[1].asked == [0, 1, 5, 6, 7, 8, 9]
    assert [span.winner for span in made.spans][5:] == ["b"] * 5


def test_without_again_it_never_returns_and_the_best_never_rests():
    members = [Chain(name, [], {}) for name in "ab"]
    fused(members, options={"exit": LowShare(below=1.0, over=1, again=0)}, max_tokens=9)
    assert members[1].asked == [0]
    assert members[0].asked == list(range(9))


def test_a_member_that_rests_comes_back_when_the_others_fail():
    class Weak(Chain):
        async def propose(self, request):
            if len(request.before.split()) == 4:
                raise ConnectionError("gone")
            return await super().propose(request)

    members = [Weak("a", [], {}), Chain("b", [], {})]
    options = {"exit": LowShare(below=0.2, over=2, again=0), "leave": True}
    made = fused(members, options=options, max_tokens=6)
    assert made.text == " a a a a b b"


def test_a_full_context_ends_no_answer_where_members_may_rest():
    members = [Chain(name, [], {}) for name in "ab"]
    members[1].room = -1
    made = fused(members, options={"exit": LowShare()}, max_tokens=3)
    assert (made.text, made.finish, members[1].calls) == (" a a a", "length", 0)
    members[0].room = -1
    assert fused(members, options={"exit": LowShare()}, max_tokens=3).finish == "context"


class InRounds(LowShare):
    """Lets the second member take part in some rounds only."""

    rounds: frozenset[int]

    def start(self, weights):
        past = []
        active = lambda: [True, len(past) in self.rounds][: len(weights)]  # noqa: E731
        return SimpleNamespace(active=active, learn=past.append)


@pytest.mark.parametrize("name", ["shakespeare", "rwkv"])
def test_a_member_that_returns_stands_at_the_right_place(whole, write, name):
    """The score of the fifth round is that of a fuse which began with the text of four rounds."""
    pair = whole("stories"), whole(name)
    rested = write(SpanFuse(pair, ("a", "b"), exit=InRounds(rounds={0, 4})), TEXT, max_tokens=16)
    before = "".join(span.text for span in rested.spans[:4])
    assert [len(span.weights) for span in rested.spans[:5]] == [2, 1, 1, 1, 2]
    anew = write(SpanFuse(pair, ("a", "b")), TEXT, prefix=before, max_tokens=6).spans[0]
    again = rested.spans[4]
    assert again.candidates["b"] == anew.candidates["b"]
    assert again.scores["b"]["b"] == pytest.approx(anew.scores["b"]["b"], abs=1e-3)
    assert again.scores["b"]["a"] == pytest.approx(anew.scores["b"]["a"], abs=1e-3)


def test_a_member_that_rests_reads_nothing(model, write):
    pair = model("stories"), model("rwkv")
    calls = [
        write(SpanFuse(pair, ("a", "b"), exit=way), TEXT, max_tokens=length).usage["b"].calls
        for way, length in ((None, 16), (InRounds(rounds={0}), 16), (InRounds(rounds={0}), 10))
    ]
    assert calls[0] > calls[1] == calls[2]


def test_with_two_members_that_never_agree_nobody_rests():
    exits = LowShare(over=1).start((0.5, 0.5))
    exits.learn(round_of([[-1, -2], [-2, -1]]))
    assert list(exits.active()) == [True, True]

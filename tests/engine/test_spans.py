"""The span fuse's algorithm over members' states: the same in the engine and under asyncio."""

import math

import pytest
from span_cast import Client, Fake, Local, cast, fused

from composer.engine.sessions.base import together


@pytest.mark.parametrize(("weights", "text"), [((1.0, 1.0), " blue sky"), ((3.0, 1.0), " red sky")])
def test_the_span_with_the_best_weighted_mean_is_kept(weights, text):
    members = cast(weights=weights)
    made = fused(members)
    assert (made.text, made.finish) == (text, "stop")
    assert [member.text.decode() for member in members] == [text, text]
    assert made.spans[0].candidates == {"a": " red", "b": " blue"}
    assert made.spans[0].scores["a"] == {"a": -1.0, "b": -2.0}
    total = (-1.0 * weights[0] + -2.0 * weights[1]) / sum(weights)
    assert made.logprobs[-2:] == (total, total)


@pytest.mark.parametrize(
    "kinds", [(Client, Client), (Local, Client), (Client, Local), (Local,) * 2]
)
def test_the_algorithm_is_the_same_under_asyncio(kinds):
    assert fused(cast(*kinds)) == fused(cast(), together)


def test_members_are_asked_side_by_side():
    Client.most = 0
    fused(cast(Client, Client))
    assert Client.most == 2


def test_who_cannot_say_a_score_abstains():
    members = cast()
    members[1].scores = {}
    assert fused(members).text == " red sky"
    members = cast()
    for each in members:
        each.scores = {}
    assert fused(members).spans[0].scores == {"a": {}, "b": {}}
    assert fused(cast()).confidence == pytest.approx(math.exp((-1.75 - 1.75 - 1.5 - 1.5) / 4))


def test_a_text_that_two_propose_is_scored_once_and_told_twice():
    members = cast()
    members[1].spans = list(members[0].spans)
    made = fused(members)
    assert [span.winner for span in made.spans] == ["a", "a"]
    assert made.spans[0].scores["b"] == {"a": -3.0, "b": -3.0}


def test_an_answer_ends_by_length_context_and_stop_strings():
    assert fused(cast(), max_tokens=2).finish == "length"
    assert fused(cast(), stop=("ue",)).text == " bl"
    members = cast()
    members[0].room = -1
    assert fused(members).finish == "context"


def test_usage_and_who_left_are_of_all_members():
    members = cast(Client, Fake)
    members[1].dropped = {"x": "it was gone"}
    made = fused(members)
    assert {name: usage.calls for name, usage in made.usage.items()} == {"a": 4, "b": 4}
    assert made.left == {"x": "it was gone"}


def test_what_fails_with_one_member_fails_the_answer():
    class Broken(Client):
        async def score(self, candidates):
            await super().score(candidates)
            raise ConnectionError("nobody answers")

    with pytest.raises(ConnectionError, match="nobody answers"):
        fused(cast(Client, Broken))

"""The span fuse's algorithm over members' states: the same in the engine and under asyncio."""

import asyncio
import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from fusing import SpanFuse, stored

from composer.engine.generation import GenerationState
from composer.engine.sessions.base import together
from composer.engine.sessions.span_fuse import Candidate, fuse_spans
from composer.values import Query, Sampling
from composer.values.results import Usage

A, B = stored("a", "A", "/a"), stored("b", "B", "/b")
POOL = ThreadPoolExecutor(4)


class Fake:
    """A member that says what it is told to: a span a round, and a score for each text."""

    def __init__(self, name, spans, scores, weight=1.0, room=99):
        self.name, self.weight, self.dropped = name, weight, {}
        self.spans, self.scores, self.room = list(spans), scores, room
        self.text, self.calls = b"", 0

    def has_room(self):
        return self.room >= 0

    async def pause(self):
        self.calls += 1

    async def propose(self, request):
        assert request.boundary.n == 1
        assert request.max_tokens <= 8
        assert request.before == self.text.decode()
        await self.pause()
        text = self.spans[len(self.text.split())]
        return [Candidate(text.rstrip(b"."), text.endswith(b"."), (self.name, ""))]

    async def score(self, candidates):
        await self.pause()
        scores = [self.scores.get(each.text) for each in candidates]
        return [() if score is None else (score,) for score in scores]

    def accept(self, candidate):
        self.text += candidate.text

    def usage(self):
        return {self.name: Usage(calls=self.calls)}

    def close(self):
        """Nothing is held."""


class Client(Fake):
    """Asks somebody far away: whatever it awaits, it awaits under asyncio."""

    inside = most = 0

    async def pause(self):
        await super().pause()
        Client.inside += 1
        Client.most = max(Client.most, Client.inside)
        await asyncio.sleep(0.001)
        Client.inside -= 1


class Local(Fake):
    """Asks an engine in another thread, whose futures it awaits."""

    async def pause(self):
        await asyncio.wrap_future(POOL.submit(int))
        await super().pause()


async def gathered(work):
    return list(await asyncio.gather(*work))


def fused(members, way=gathered, **how):
    answer = GenerationState(Sampling(**{"max_tokens": 40, **how}), None)
    fuse = SpanFuse((A, B), ("a", "b"), max_span_tokens=8)
    work = fuse_spans(fuse, members, way, answer, Query.of("?"))
    if way is gathered:
        return asyncio.run(work)
    with pytest.raises(StopIteration) as end:
        work.send(None)
    return end.value.value


def cast(first=Fake, second=Fake, weights=(1.0, 1.0)):
    one = {b" red": -1.0, b" blue": -2.0, b" sky": -1.0, b" sea": -4.0}
    other = {b" red": -3.0, b" blue": -1.5, b" sky": -2.0, b" sea": -1.0}
    return [
        first("a", [b" red", b" sky."], one, weights[0]),
        second("b", [b" blue", b" sea"], other, weights[1]),
    ]


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

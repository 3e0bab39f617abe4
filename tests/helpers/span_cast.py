"""Members of a span fuse that say what they are told to, for the algorithm alone."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from copy import copy

import pytest
from fusing import SpanFuse, stored

from composer.engine.generation import GenerationState
from composer.engine.sessions.span_asking import Candidate
from composer.engine.sessions.span_fuse import fuse_spans
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

    def anew(self):
        twin = copy(self)
        twin.text, twin.calls = b"", 0
        return twin

    async def open(self):
        self.opened = True

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


def fused(members, way=gathered, options=None, on_text=None, **how):
    answer = GenerationState(Sampling(**{"max_tokens": 40, **how}), on_text)
    fuse = SpanFuse((A, B), ("a", "b"), max_span_tokens=8, **(options or {}))
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

"""Replicas that answer when a test says so; nothing is loaded."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import composer
from composer.cluster.handles import ReplicaLost
from composer.cluster.identity import identities
from composer.cluster.pool import ReplicaPool
from composer.cluster.wire import Answer, Ask, Handshake, Setup, pack, unpack
from composer.compiler.plan.pools import pools_of
from composer.run.engine_host import LoadingTimer
from composer.values import Completion, Generate, Generated, Query

(POOL,) = pools_of(composer.load('model A = zoo("maths")\nA').optimized.root)
(MODEL,) = POOL.models


@dataclass
class Scripted:
    """One replica: what it was asked, by number; `say` and `die` are what it does."""

    place: str = "a test"
    hello: Handshake | None = None
    asked: dict = field(default_factory=dict)
    batches: list = field(default_factory=list)
    cancelled: list = field(default_factory=list)
    killed: bool = False

    def __post_init__(self):
        self.told = asyncio.Queue()

    async def load(self, setup):
        models = unpack(setup).models
        return pack(self.hello or Handshake(models=identities(models, locked=False)))

    async def put(self, messages):
        batch = [unpack(each) for each in unpack(messages)]
        self.batches.append(len(batch))
        for message in batch:
            if isinstance(message, Ask):
                self.asked[message.number] = message.request
            else:
                self.cancelled.append(message.number)

    async def take(self):
        told = await self.told.get()
        if isinstance(told, ReplicaLost):
            raise told
        return pack(told)

    def kill(self):
        self.killed = True

    def die(self, reason="it was killed", *, machine=False):
        self.told.put_nowait(ReplicaLost(reason, machine=machine))

    def say(self, *messages):
        self.told.put_nowait(list(messages))

    def answer(self, *numbers):
        """Answer what it was asked, or some of it, with the question in capitals."""
        for number in numbers or tuple(self.asked):
            self.say(Answer(number, written(self.asked.pop(number).query.text.upper())))


def written(words):
    return Generated((Completion(words),))


class Launcher:
    """Launches scripted replicas; `failures` are raised first, one after the other."""

    def __init__(self, *failures, hello=None):
        self.failures, self.hello, self.launched = list(failures), hello, []

    async def __call__(self, _pool):
        if self.failures:
            raise self.failures.pop(0)
        self.launched.append(Scripted(hello=self.hello))
        return self.launched[-1]


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = 0.0

    def __call__(self):
        return self.now


@asynccontextmanager
async def opened(launcher, fewest=1, most=1):
    """Open a pool of scripted replicas; it has the `clock` and the `warnings` of the test."""
    clock, warnings = Clock(100.0), []
    pool = ReplicaPool(
        replace(POOL, fewest=fewest, most=most),
        Setup(POOL.models, {}),
        launcher,
        timer=LoadingTimer(),
        warn=lambda diagnostic: warnings.append(diagnostic.message),
        clock=clock,
    )
    pool.clock, pool.warnings = clock, warnings
    try:
        yield pool
    finally:
        await pool.close()


def ask(pool, words, on_text=None, **options):
    """Begin to ask, and return the task."""
    request = Generate(MODEL, Query.of(words), **options)
    return asyncio.ensure_future(pool.ask(request, on_text))


async def turns(count=20):
    """Let everything go on that can; threads have a moment."""
    for _ in range(count):
        await asyncio.sleep(0.001)

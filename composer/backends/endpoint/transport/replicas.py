"""The addresses that answer for a model: one connection pool each, and which of them is asked.

Models of one ensemble that name the same address and key share its pool and its slots, and all
models of the process share its pace.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from composer.backends.endpoint.transport.connection import Connection
from composer.backends.endpoint.transport.pace import Pace, Slots

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Container, Iterable

    from composer.backends.endpoint.faults import EndpointError
    from composer.backends.endpoint.transport.pace import Limits

__all__ = ["Replica", "healthy", "join", "leave"]

FAILURES = 5
"""Failures in a row that put an address on a cooldown."""

COOLDOWN, QUOTA_COOLDOWN = 30.0, 300.0
"""Seconds of a cooldown: after failures, and where an account is empty."""


class Replica:
    """One address with one key, as an event loop uses it."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self.key, self.users = url, key, 0
        self.slots, self.pace = Slots(), _PACES.setdefault((url, key), Pace())
        self.failures, self.rests_until = 0, 0.0
        self.last_failure: EndpointError | None = None
        self.fastest = 0.0
        self.connection = Connection(url, key)

    @asynccontextmanager
    async def place(self, limits: Limits, tokens: int) -> AsyncIterator[None]:
        """Hold one of its slots, once its pace allows another request."""
        async with self.slots.one(limits.concurrency):
            await self.pace.wait(limits, tokens)
            yield

    @property
    def rests(self) -> bool:
        """Whether it is on a cooldown."""
        return self.rests_until > time.monotonic()

    def answered(self, seconds: float) -> None:
        """Note that it works, and how long that took."""
        self.failures, self.rests_until = 0, 0.0
        self.fastest = min(self.fastest or seconds, seconds)

    def failed(self, failure: EndpointError) -> None:
        """Note a failure: it rests after too many, where its account is empty, or if it asks to.

        A request that was refused for itself says nothing of the server.
        """
        if not failure.transient or failure.late:
            return
        self.failures += 1
        self.last_failure = failure
        rest = failure.wait or 0.0
        if failure.quota:
            rest = max(rest, QUOTA_COOLDOWN)
        elif self.failures >= FAILURES:
            rest = max(rest, COOLDOWN)
        if rest:
            self.rests_until = max(self.rests_until, time.monotonic() + rest)


_PACES: dict[tuple[str, str], Pace] = {}
_OPEN: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], Replica]] = (
    WeakKeyDictionary()
)


def join(urls: Iterable[str], key: str) -> list[Replica]:
    """Return the replicas at some addresses, those that are open already and new ones."""
    replicas = _OPEN.setdefault(asyncio.get_running_loop(), {})
    joined = []
    for url in urls:
        replica = replicas.get((url, key))
        if replica is None:
            replica = replicas[url, key] = Replica(url, key)
        replica.users += 1
        joined.append(replica)
    return joined


async def leave(replicas: Iterable[Replica]) -> None:
    """Give replicas back; the pool of one that nobody uses any more is closed."""
    open_replicas = _OPEN.get(asyncio.get_running_loop(), {})
    for replica in replicas:
        replica.users -= 1
        if not replica.users:
            open_replicas.pop((replica.url, replica.key), None)
            await replica.connection.close()


def healthy(replicas: Iterable[Replica], skipped: Container[Replica] = ()) -> Replica | None:
    """Return the first that does not rest and is not to be skipped, None if there is none."""
    return next((each for each in replicas if not each.rests and each not in skipped), None)

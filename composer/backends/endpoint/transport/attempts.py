"""The attempts at one request: which address is asked, how often, and until when."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from composer.backends.endpoint.faults import AttemptError, EndpointError
from composer.backends.endpoint.transport.bills import most, reported
from composer.backends.endpoint.transport.outcomes import (
    broken_off,
    given_up,
    late,
    no_model,
    refused,
    too_late,
)
from composer.backends.endpoint.transport.pace import Limits
from composer.backends.endpoint.transport.replicas import healthy
from composer.backends.endpoint.transport.retry import backoff
from composer.values.ledger import Attempt, ledger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence

    from composer.backends.endpoint.options import EndpointOptions
    from composer.backends.endpoint.transport.replicas import Replica
    from composer.values.flow import JSON
    from composer.values.results import Usage

__all__ = ["Attempts"]

T = TypeVar("T")

MISSING = 404

CHECK = 10.0
"""Seconds for a look at the models that a server lists."""


@dataclass(eq=False)
class Attempts:
    """The attempts at one request of a model.

    A failure that another attempt may help makes `one` end without an error: then call it again.
    """

    name: str
    service: EndpointOptions
    replicas: Sequence[Replica]
    body: Mapping[str, JSON]
    tokens: int
    usage: Usage | None = None
    _failures: list[str] = field(default_factory=list)
    _skipped: set[Replica] = field(default_factory=set)
    _waits: int = 0
    _ends: float | None = None

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Replica]:
        """Make one attempt, at the address that it gives; raises EndpointError if it was the last.

        A failure after which another attempt may follow is waited off, and not raised.
        """
        replica = self._next_replica()
        try:
            async with self.single(replica):
                yield replica
        except EndpointError as failure:
            await self._settle(replica, failure)

    @asynccontextmanager
    async def single(self, replica: Replica | None = None) -> AsyncIterator[Replica]:
        """Make one attempt, whose failure is raised as it is."""
        replica = replica or self._next_replica()
        is_first = replica is self.replicas[0]
        attempt, book = Attempt(self.name, replica.url, self._most, is_first), ledger()
        before = _now()
        await book.begin(attempt)
        sent, self.usage = False, None
        try:
            async with self._place(replica, before):
                sent, start = True, _now()
                yield replica
        except EndpointError as failure:
            replica.failed(failure)
            book.failed(attempt, failure.message, billed=failure.billed)
            raise
        except BaseException as error:
            reason = "cancelled" if isinstance(error, asyncio.CancelledError) else str(error)
            book.failed(attempt, reason, billed=sent)
            raise
        replica.answered(_now() - start)
        book.answered(attempt, self.usage)

    async def in_time(self, work: Awaitable[T]) -> T:
        """Await work of an attempt until the deadline."""
        try:
            async with asyncio.timeout_at(self._ends):
                return await work
        except TimeoutError:
            raise AttemptError("the deadline has passed", late=True) from None

    def broken_off(self, replica: Replica) -> EndpointError:
        """Return the error of a stream that broke, and began otherwise at the next attempt."""
        return broken_off(self.name, replica.url, self._failures[-1])

    def note_usage(self, reply: Mapping[str, JSON]) -> None:
        """Note what a reply, or an event of it, says that it took."""
        self.usage = reported(reply, self.service.price) or self.usage

    @asynccontextmanager
    async def _place(self, replica: Replica, before: float) -> AsyncIterator[None]:
        """Hold a place for the attempt; the deadline has not passed since `before`."""
        service = self.service
        per_minute = service.requests_per_minute, service.tokens_per_minute
        async with replica.place(Limits(service.concurrency, *per_minute), self.tokens):
            waited = _now() - before
            self._ends = waited + (before + service.deadline if self._ends is None else self._ends)
            yield

    def _next_replica(self) -> Replica:
        replica = healthy(self.replicas, self._skipped)
        if replica is not None:
            return replica
        resting = min(self.replicas, key=lambda each: each.rests_until)
        if resting.last_failure is not None and resting.last_failure.quota and resting.rests:
            raise refused(self.name, resting.url, self.service.key_variable, resting.last_failure)
        return resting

    async def _settle(self, replica: Replica, failure: EndpointError) -> None:
        """Wait until another attempt may be made; raises EndpointError if there will be none."""
        self._failures.append(failure.message)
        self._skipped.add(replica)
        other = healthy(self.replicas, self._skipped)
        seconds = 0.0 if other else max(backoff(self._waits + 1), failure.wait or 0.0)
        error = await self._final_error(replica, failure, seconds)
        if error is not None:
            error.status = failure.status
            raise error from failure
        if other is None:
            self._waits += 1
            self._skipped.clear()
            ledger().waits(seconds)
            await asyncio.sleep(seconds)

    async def _final_error(
        self, replica: Replica, failure: EndpointError, seconds: float
    ) -> EndpointError | None:
        """Return how the request ends, None if there is another attempt after so many seconds."""
        deadline, starts = self.service.deadline, _now() + seconds + replica.fastest
        if failure.late:
            return late(self.name, deadline, self._failures[:-1])
        if not failure.transient or (failure.quota and seconds):
            return await self._refused(replica, failure)
        if len(self._failures) > self.service.retries:
            return given_up(self.name, replica.url, len(self._failures), failure)
        if self._ends is not None and starts >= self._ends:
            return too_late(self.name, deadline, seconds, self._failures)
        return None

    @cached_property
    def _most(self) -> Usage:
        return most(self.body, self.service.price)

    async def _refused(self, replica: Replica, failure: EndpointError) -> EndpointError:
        """Return the error of a request that no other attempt can help."""
        if not isinstance(failure, AttemptError):
            return failure  # of who reads replies, in words of its own
        if failure.status == MISSING:
            model, models = str(self.body.get("model", "")), await self._listed(replica)
            return no_model(self.name, replica.url, model, failure, models)
        return refused(self.name, replica.url, self.service.key_variable, failure)

    async def _listed(self, replica: Replica) -> list[str] | None:
        """Return the models that a server lists, None if it lists none."""
        with suppress(AttemptError):
            page = await self.in_time(replica.connection.send("/models", None, CHECK))
            entries = page.get("data")
            if isinstance(entries, list):
                return [str(each.get("id")) for each in entries if isinstance(each, dict)]
        return None


def _now() -> float:
    return asyncio.get_running_loop().time()

"""Which replica gets which request, and what comes back; replicas join and leave meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from composer.cluster.ledger import RequestLedger
from composer.cluster.pending import PendingRequest, Stream
from composer.cluster.wire import Answer, Ask, Cancel, Piece, Token, pack, unpack
from composer.values import Generate, ModelError
from composer.values.ledger import ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.cluster.handles import ReplicaLost
    from composer.cluster.live_replica import LiveReplica
    from composer.values import Request

__all__ = ["ROOM", "Dispatcher"]

ROOM = 96
"""Requests a replica has at a time: the rows of its engine, and some that join when one ends."""


class Dispatcher:
    """Gives requests to the least loaded of the replicas that are ready."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.replicas: list[LiveReplica] = []
        self._clock, self._numbers = clock, count()
        self._ledger: RequestLedger[PendingRequest, LiveReplica] = RequestLedger()
        self._fed = False

    @property
    def waits(self) -> float | None:
        """The seconds for which a request has waited longest, None where none waits."""
        since = self._ledger.oldest()
        return None if since is None else self._clock() - since

    def idlest(self) -> LiveReplica | None:
        """Return the replica that has had nothing to do for longest, if one has not."""
        idle = [replica for replica in self.replicas if not self._ledger.held(replica)]
        return min(idle, key=lambda replica: replica.idle_since, default=None)

    async def ask(self, request: Request[Any], on_text: Callable[[str], None] | None) -> Any:  # noqa: ANN401 - its result
        """Put a request to a replica, and return its result; raises what the replica raises."""
        number, on_token = next(self._numbers), None
        if isinstance(request, Generate) and request.on_token is not None:
            on_token, request = request.on_token, replace(request, on_token=None)
        ask = Ask(number, request, text=on_text is not None, tokens=on_token is not None)
        future = asyncio.get_running_loop().create_future()
        stream = Stream(on_text, on_token)
        pending = PendingRequest(pack(ask), request.model.name, future, ledger(), stream)
        self._ledger.add(number, pending, self._clock())
        self.feed()
        try:
            return await future
        finally:
            self._forget(number)

    def feed(self) -> None:
        """Hand out what waits, together with all that comes in at this moment."""
        if not self._fed:
            self._fed = True
            asyncio.get_running_loop().call_soon(self._feed)

    def join(self, replica: LiveReplica) -> None:
        """Let a replica answer from now on."""
        self.replicas.append(replica)
        self.feed()

    def leave(self, replica: LiveReplica, lost: ReplicaLost) -> tuple[int, bool]:
        """Put again what a replica had that died; say how many, and whether one was the cause.

        The cause fails (E734).
        """
        self.replicas.remove(replica)
        again, cause = self._ledger.lost(replica, self._clock(), blameless=lost.machine)
        for number in again:
            self._of(number).restart(lost.reason)
        if cause is not None:
            self._fail(cause, _left_out(self._of(cause).model, lost))
        self.feed()
        return len(again), cause is not None

    def fail_all(self, error: ModelError) -> None:
        """Fail every request that is not done."""
        for number in self._ledger.numbers():
            self._fail(number, error)

    def receive(self, replica: LiveReplica, messages: bytes) -> None:
        """Pass on what a replica tells."""
        for message in unpack(messages):
            if self._ledger.item(message.number) is not None:
                try:
                    self._pass_on(message)
                except ModelError as error:
                    self._fail(message.number, error)
                    replica.send(pack(Cancel(message.number)))
        if not self._ledger.held(replica):
            replica.idle_since = self._clock()
        self.feed()

    def _pass_on(self, message: Piece | Token | Answer) -> None:
        pending = self._of(message.number)
        if isinstance(message, Piece):
            pending.stream.piece(message.text)
        elif isinstance(message, Token):
            pending.stream.token(message.choice)
        elif message.error is not None:
            self._fail(message.number, message.error.error())
        else:
            pending.stream.end()
            self._ledger.done(message.number)
            pending.succeed(message.result)

    def _of(self, number: int) -> PendingRequest:
        pending = self._ledger.item(number)
        assert pending is not None
        return pending

    def _fail(self, number: int, error: ModelError) -> None:
        pending = self._ledger.done(number)
        if pending is not None:
            pending.fail(error)

    def _forget(self, number: int) -> None:
        """Let the replica end a request that nobody waits for any more."""
        replica = self._ledger.replica(number)
        if self._ledger.done(number) is not None and replica is not None:
            replica.send(pack(Cancel(number)))

    def _feed(self) -> None:
        """Give what waits to the replica that has least, as long as one has room."""
        self._fed = False
        free = {replica for replica in self.replicas if self._ledger.held(replica) < ROOM}
        while free:
            replica = min(free, key=self._ledger.held)
            given = self._ledger.give(replica)
            if given is not None:
                replica.send(given[1].message)
            if given is None or self._ledger.held(replica) >= ROOM:
                free.remove(replica)


def _left_out(model: str, lost: ReplicaLost) -> ModelError:
    return ModelError(
        "E734",
        f"replicas died again and again while `{model}` answered this: {lost.reason}",
        "ask it in one process to see why: without `--ray`",
    )

"""Requests to the servers of one model.

A request is put again where that helps (`attempts.py`), up to a number of attempts and a deadline
over all of them. Each attempt goes to the first address that is not on a cooldown (`replicas.py`),
at a pace that holds its limits (`pace.py`). What it may cost is told to the run's ledger before it
is sent, so that no attempt is made that does not fit the budget.
"""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Protocol, TypeVar, overload

from composer.backends.endpoint.transport.attempts import Attempts
from composer.backends.endpoint.transport.replicas import join, leave
from composer.diagnostics.secrets import hide

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from composer.backends.endpoint.options import EndpointOptions
    from composer.values.flow import JSON

__all__ = ["StreamReader", "Transport"]

T = TypeVar("T")


class StreamReader(Protocol):
    """Makes an answer of the events of a stream; raises BadReplyError for what is none."""

    def begin(self) -> None:
        """Forget what was read: the events of an attempt follow."""

    def add(self, event: dict[str, JSON]) -> str:
        """Take an event; return the text in it that may be shown."""

    def end(self) -> None:
        """Check that the answer is whole: no event follows."""


class ShownText:
    """The text of a stream that was passed on, which another attempt has to repeat."""

    def __init__(self) -> None:
        self._text, self._at = "", 0

    def begin(self) -> None:
        """Begin another attempt, at the beginning of the text."""
        self._at = 0

    def added(self, text: str) -> str | None:
        """Return what is new of a text that follows, None where it is not the same text again."""
        known = self._text[self._at : self._at + len(text)]
        if not text.startswith(known):
            return None
        self._at += len(text)
        new = text[len(known) :]
        self._text += new
        return new

    @property
    def is_longer(self) -> bool:
        """Whether more was passed on than the attempt has repeated."""
        return self._at < len(self._text)


class Transport:
    """Puts the requests of one model to its servers. Made and used in one event loop."""

    def __init__(self, declaration: EndpointOptions, name: str) -> None:
        self.service, self.name = declaration, name
        variable = declaration.key_variable
        key = "" if variable is None else hide(os.environ.get(variable, ""))
        self._replicas = join(declaration.addresses, key)

    @overload
    async def post(
        self, path: str, body: Mapping[str, JSON], *, tokens: int
    ) -> dict[str, JSON]: ...

    @overload
    async def post(
        self,
        path: str,
        body: Mapping[str, JSON],
        *,
        tokens: int,
        read: Callable[[dict[str, JSON]], T],
    ) -> T: ...

    async def post(
        self,
        path: str,
        body: Mapping[str, JSON],
        *,
        tokens: int,
        read: Callable[[dict[str, JSON]], object] = dict,
    ) -> object:
        """Return what `read` makes of the reply to a request; raises EndpointError.

        Where `read` raises a transient EndpointError, such as BadReplyError, the attempt has failed
        and another one may follow.
        `tokens` is how many tokens the request may read and write.
        """
        attempts = self._attempts(body, tokens)
        while True:
            async with attempts.one() as replica:
                work = replica.connection.send(path, body, self.service.idle)
                reply = await attempts.in_time(work)
                attempts.note_usage(reply)
                return read(reply)

    async def stream(
        self, path: str, body: Mapping[str, JSON], *, tokens: int, reader: StreamReader
    ) -> AsyncGenerator[str]:
        """Yield the text of a reply as it comes; raises EndpointError.

        A stream has failed that ends without `[DONE]`, or before `reader` has all it needs. Since
        its text may have been shown, the next attempt yields only what follows it; if it begins
        otherwise, that is an error. Read the stream inside of `contextlib.aclosing`.
        """
        attempts, shown = self._attempts(body, tokens), ShownText()
        while True:
            async with attempts.one() as replica:
                opened = replica.connection.stream(path, body, self.service.idle)
                async with AsyncExitStack() as stack:
                    events = await attempts.in_time(stack.enter_async_context(opened))
                    reader.begin()
                    shown.begin()
                    while (event := await attempts.in_time(anext(events, None))) is not None:
                        attempts.note_usage(event)
                        text = shown.added(reader.add(event))
                        if text is None:
                            raise attempts.broken_off(replica)
                        if text:
                            yield text
                    reader.end()
                    if shown.is_longer:
                        raise attempts.broken_off(replica)
                return

    async def once(
        self, path: str, body: Mapping[str, JSON] | None = None, *, tokens: int = 0
    ) -> dict[str, JSON]:
        """Make a single attempt, and return the reply; raises AttemptError. No body reads a page.

        For who wants to know how a server answers, and not an answer.
        """
        attempts = self._attempts(body or {}, tokens)
        async with attempts.single() as replica:
            return await attempts.in_time(replica.connection.send(path, body, self.service.idle))

    async def get(self, path: str) -> dict[str, JSON]:
        """Return what lies at a path of the server; raises EndpointError. Costs nothing."""
        attempts = self._attempts({}, 0)
        while True:
            async with attempts.one() as replica:
                work = replica.connection.send(path, None, self.service.idle)
                return await attempts.in_time(work)

    async def close(self) -> None:
        """Give the connections back; those that no other model uses are closed."""
        replicas, self._replicas = self._replicas, []
        await leave(replicas)

    def _attempts(self, body: Mapping[str, JSON], tokens: int) -> Attempts:
        return Attempts(self.name, self.service, self._replicas, body, tokens)

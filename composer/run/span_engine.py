"""A member of a span fuse in the engine, beside members behind servers."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from composer.engine.sessions.span_members import LocalMember, begun
from composer.engine.sessions.writers import Writers
from composer.specs import bare, member_names
from composer.values import Usage
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from composer.engine.group import Group
    from composer.engine.sessions.base import Session
    from composer.engine.sessions.span_asking import Candidate, SpanRequest
    from composer.run.span_context import MemberContext
    from composer.values import Model

__all__ = ["EngineMember", "RunsSessions"]

T = TypeVar("T")


class RunsSessions(Protocol):
    """The client of the engine."""

    async def start(self) -> None:
        """Start the engine, if it does not run."""

    def submit(
        self, model: Model, session: Callable[[Group], Session[T]], *, holds: bool
    ) -> Future[T]:
        """Run a session in the engine, which `start` has started."""


class EngineMember:
    """Each question is a session of the engine; the rows stay open between two of them.

    So the text is read once, as where all members are in the engine, and the questions of all
    answers share engine steps.
    """

    def __init__(self, context: MemberContext) -> None:
        self.name, self.weight, self.tokenizers = context.name, context.weight, context.tokenizers
        self.anew = partial(EngineMember, context)
        self._context, self._model, self._request = context, context.model, context.request
        self._local: LocalMember | None = None
        self._accepted: list[Candidate] = []
        self._rooms: Mapping[Candidate, bool] = {}
        self._has_room = True

    @property
    def dropped(self) -> Mapping[str, str]:
        """The models that were dropped, each with the reason."""
        return {} if self._local is None else self._local.dropped

    async def open(self) -> None:
        """Read the prompt."""
        self._engine = cast("RunsSessions", await self._context.clients.of(self._context.asked))
        await self._engine.start()
        await self._ask(self._open)

    async def _open(self, group: Group) -> None:
        writers = Writers.of(self._context.names, group, self._request.detail)
        start = partial(begun, group, self._request, self._model)
        self._local = LocalMember(self.name, self.weight, start, self._request.sampling, writers)
        await self._local.open()

    def has_room(self) -> bool:
        """Return whether a span fits behind what was accepted, as it was when that was scored."""
        return self._has_room

    async def propose(self, request: SpanRequest) -> Sequence[Candidate]:
        """Propose at least one span."""
        return await self._ask(lambda _: self._up_to_date().propose(request))

    async def score(self, candidates: Sequence[Candidate]) -> Sequence[Sequence[float]]:
        """Return the log-probabilities of each candidate's tokens."""

        async def scored(_: Group) -> Sequence[Sequence[float]]:
            local = self._up_to_date()
            scores = await local.score(candidates)
            self._rooms = local.rooms()
            return scores

        return await self._ask(scored)

    def accept(self, candidate: Candidate) -> None:
        """Go on from the end of a candidate: at once, where it has been read, since no row changes.

        Else with the next question, in the engine's thread.
        """
        self._has_room = self._rooms.get(candidate, True)
        if candidate in self._rooms and not self._accepted:
            self._up_to_date().accept(candidate)
        else:
            self._accepted.append(candidate)
        self._rooms = {}

    def usage(self) -> Mapping[str, Usage]:
        """Return the usage so far by the names of declared models, with what it costs."""
        names = member_names(self._model) or {self.name: bare(self._model).name}
        used = {} if self._local is None else self._local.usage()
        total: dict[str, Usage] = {}
        for member, usage in used.items():
            name = names.get(member, member)
            counts = usage.prompt_tokens, usage.completion_tokens
            total[name] = Usage.at(self._context.prices.get(name), 1, *counts)
        return total

    def close(self) -> None:
        """Free all rows, in the engine's thread."""
        local, self._local = self._local, None

        async def closed(_: Group) -> None:
            if local is not None:
                local.close()

        with contextlib.suppress(ModelError):  # a closed engine has no rows
            if local is not None:
                self._engine.submit(self._model, closed, holds=True)

    def _up_to_date(self) -> LocalMember:
        """Return the member behind all that was accepted."""
        assert self._local is not None
        for candidate in self._accepted:
            self._local.accept(candidate)
        self._accepted = []
        return self._local

    async def _ask(self, session: Callable[[Group], Session[T]]) -> T:
        async with self._context.clients.within(self._model):
            return await asyncio.wrap_future(self._engine.submit(self._model, session, holds=True))

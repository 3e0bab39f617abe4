"""What sessions share. A session is a coroutine that awaits requests, one batch an engine step."""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine
from types import coroutine
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from composer.engine.requests.base import Batch, ReplyValues, reply_value
from composer.values.results import Usage

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from composer.engine.group import Group
    from composer.engine.requests.base import StepRequest
    from composer.engine.sequence import SequenceState

__all__ = ["Session", "all_of", "dropped_members", "together", "usage_by_member"]

T = TypeVar("T")
R = TypeVar("R")
Session: TypeAlias = Coroutine[Batch, ReplyValues | None, T]
"""A coroutine whose result is `T`; it yields batches of requests and is sent their replies."""


@coroutine
def all_of(requests: Sequence[StepRequest[R]]) -> Generator[Batch, ReplyValues, list[R]]:
    """Await several requests in the same engine step; return their replies in order.

    The error of the first one that failed is raised, when all have been answered.
    """
    return [reply_value(reply) for reply in (yield requests)] if requests else []


def usage_by_member(parts: Iterable[tuple[str, Group, Mapping[str, Usage]]]) -> dict[str, Usage]:
    """Add up the usage of several members: (name, group, usage by model).

    A member that is a single model goes by its member name, models of a fuse by their own names.
    """
    total: dict[str, Usage] = {}
    for member, group, usage in parts:
        for model, model_usage in usage.items():
            name = member if len(group.slots) == 1 else model
            total[name] = total.get(name, Usage()) + model_usage
    return total


def dropped_members(sequences: Iterable[SequenceState]) -> dict[str, str]:
    """The members that were dropped from any of some sequences, each with the reason."""
    return {name: reason for sequence in sequences for name, reason in sequence.dropped.items()}


@coroutine
def together(sessions: Sequence[Session[T]]) -> Generator[Batch, ReplyValues, list[T]]:
    """Run sessions side by side: their requests are answered in the same engine steps.

    Returns their results in order. An error of one is raised here, and closes the others.
    """
    results: dict[int, T] = {}
    replies: dict[int, ReplyValues | None] = dict.fromkeys(range(len(sessions)))
    with contextlib.ExitStack() as stack:
        for session in sessions:
            stack.callback(session.close)
        while replies:
            batches: dict[int, Batch] = {}
            for n, reply in replies.items():
                try:
                    batches[n] = sessions[n].send(reply)
                except StopIteration as end:
                    results[n] = end.value
            if batches:
                values = iter((yield [request for batch in batches.values() for request in batch]))
            replies = {n: [next(values) for _ in batch] for n, batch in batches.items()}
    return [results[n] for n in range(len(sessions))]

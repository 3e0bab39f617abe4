"""A session is a coroutine that awaits requests, answered once a tick; this is what they share."""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine
from types import coroutine
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from composer.engine.requests.base import Batch, ReplyValues
from composer.values.requests import Usage

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from composer.engine.group import Group
    from composer.engine.requests.base import StepRequest
    from composer.engine.sequence import SequenceState

__all__ = ["Session", "all_of", "dropped_members", "together", "usage_by_member"]

T = TypeVar("T")
R = TypeVar("R")
Session: TypeAlias = Coroutine[Batch, ReplyValues | None, T]


@coroutine
def all_of(requests: Sequence[StepRequest[R]]) -> Generator[Batch, ReplyValues, list[R]]:
    """Await several requests in one engine step."""
    return list((yield requests)) if requests else []


def usage_by_member(parts: Iterable[tuple[str, Group, Mapping[str, Usage]]]) -> dict[str, Usage]:
    """What models of several members were given; a member that is one model goes by its name."""
    found: dict[str, Usage] = {}
    for member, group, usage in parts:
        for model, each in usage.items():
            key = member if len(group.slots) == 1 else model
            found[key] = found.get(key, Usage()) + each
    return found


def dropped_members(sequences: Iterable[SequenceState]) -> dict[str, str]:
    """Who left at any of several cursors, and why."""
    return {name: why for sequence in sequences for name, why in sequence.dropped.items()}


@coroutine
def together(sessions: Sequence[Session[T]]) -> Generator[Batch, ReplyValues, list[T]]:
    """Run sessions side by side, so that what they ask is answered in the same steps."""
    results: dict[int, T] = {}
    replies: dict[int, ReplyValues | None] = dict.fromkeys(range(len(sessions)))
    with contextlib.ExitStack() as stack:
        for session in sessions:
            stack.callback(session.close)
        while replies:
            asks: dict[int, Batch] = {}
            for n, reply in replies.items():
                try:
                    asks[n] = sessions[n].send(reply)
                except StopIteration as end:
                    results[n] = end.value
            if asks:
                answers = iter((yield [each for some in asks.values() for each in some]))
            replies = {n: [next(answers) for _ in some] for n, some in asks.items()}
    return [results[n] for n in range(len(sessions))]

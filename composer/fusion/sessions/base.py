"""A session is a generator that asks and is answered once a tick; this is what they share."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

from composer.ports.requests import Usage

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from composer.fusion.cursor import Cursor
    from composer.fusion.group import Group
    from composer.fusion.requests.base import Request

    T = TypeVar("T")
    R = TypeVar("R")
    Session = Generator[Sequence[Request[Any]], Sequence[Any], T]

__all__ = ["ask", "ask_all", "given", "left", "together"]


def ask(request: Request[R]) -> Session[R]:
    """Ask for one reply."""
    (reply,) = yield (request,)
    answer: R = reply
    return answer


def ask_all(requests: Sequence[Request[R]]) -> Session[list[R]]:
    """Ask for several replies in one step."""
    return list((yield requests)) if requests else []


def given(parts: Iterable[tuple[str, Group, Mapping[str, Usage]]]) -> dict[str, Usage]:
    """What models of several members were given; a member that is one model goes by its name."""
    found: dict[str, Usage] = {}
    for member, group, usage in parts:
        for model, each in usage.items():
            key = member if len(group.leaves) == 1 else model
            found[key] = found.get(key, Usage()) + each
    return found


def left(cursors: Iterable[Cursor]) -> dict[str, str]:
    """Who left at any of several cursors, and why."""
    return {name: why for cursor in cursors for name, why in cursor.left.items()}


def together(sessions: Sequence[Session[T]]) -> Session[list[T]]:
    """Run sessions side by side, so that what they ask is answered in the same ticks."""
    results: dict[int, T] = {}
    asked: dict[int, Sequence[Request[Any]]] = {}
    replies: dict[int, Sequence[Any] | None] = dict.fromkeys(range(len(sessions)))
    with contextlib.ExitStack() as stack:
        for session in sessions:
            stack.callback(session.close)
        while len(results) < len(sessions):
            asked.clear()
            for n, reply in replies.items():
                try:
                    asked[n] = next(sessions[n]) if reply is None else sessions[n].send(reply)
                except StopIteration as end:
                    results[n] = end.value
            if asked:
                answers = iter((yield [r for requests in asked.values() for r in requests]))
                replies = {n: [next(answers) for _ in requests] for n, requests in asked.items()}
    return [results[n] for n in range(len(sessions))]

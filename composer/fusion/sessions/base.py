"""A session is a generator that asks and is answered once a tick; this is what they share."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TypeVar

from composer.fusion.requests.plain import Drawn
from composer.fusion.spec import Usage

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from composer.fusion.cursor import Cursor
    from composer.fusion.group import Group
    from composer.fusion.requests.plain import Draw, Request
    from composer.fusion.requests.replies import Reply

    T = TypeVar("T")
    Session = Generator[list[Request], list[Reply], T]

__all__ = ["drawn", "given", "left", "together"]


def drawn(request: Draw) -> Session[Drawn]:
    """Ask for one draw."""
    (answer,) = yield [request]
    assert isinstance(answer, Drawn)
    return answer


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
    asked: dict[int, list[Request]] = {}
    replies: dict[int, list[Reply] | None] = dict.fromkeys(range(len(sessions)))
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

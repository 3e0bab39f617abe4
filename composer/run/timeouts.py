"""Time limits: what takes longer is cancelled, and fails with E702.

The clock of a limit stands still while models load. Time spent waiting for free rows of a model or
for the budget counts.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

from composer.diagnostics.amounts import in_seconds
from composer.specs import Declared, leaves
from composer.values import ModelError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from composer.values import Model

SHORTEST = 0.02
"""Seconds between two looks at a clock that stands still."""

GRACE = 1.0
"""Seconds that are left to what was cancelled to end."""


def within(
    seconds: float | None, who: Callable[[], str], clock: Callable[[], float]
) -> AbstractAsyncContextManager[None]:
    """Cancel what runs inside after so many seconds, and raise E702; None sets no limit.

    `who` names what took too long.
    """
    return nullcontext() if seconds is None else _within(seconds, who, clock)


@asynccontextmanager
async def _within(
    seconds: float, who: Callable[[], str], clock: Callable[[], float]
) -> AsyncIterator[None]:
    loop, ends = asyncio.get_running_loop(), clock() + seconds
    try:
        async with asyncio.timeout(None) as limit:
            timers: list[asyncio.TimerHandle] = []

            def look() -> None:
                remaining = ends - clock()
                if remaining > 0:
                    timers[:] = [loop.call_later(max(remaining, SHORTEST), look)]
                else:
                    limit.reschedule(loop.time())

            look()
            try:
                yield
            finally:
                for timer in timers:
                    timer.cancel()
    except TimeoutError:
        if not limit.expired():
            raise
        raise ModelError(
            "E702",
            f"{who()} gave no answer within {in_seconds(seconds)}",
            "raise its `timeout`, ask for fewer tokens, or add a fallback: `A | B`",
        ) from None


def limit_of(model: Model) -> float | None:
    """Return the seconds that one request to a model may take: the fewest of its members'.

    A fuse with a member behind a client has none: each request to a member has that member's.
    """
    if isinstance(model, Declared):
        return model.timeout
    members = list(leaves(model))
    if len(members) > 1 and not all(each.in_engine for each in members):
        return None
    timeouts = (each.timeout for each in members if isinstance(each, Declared))
    return min((each for each in timeouts if each is not None), default=None)


async def ended(tasks: Sequence[asyncio.Task[object]]) -> None:
    """Cancel tasks, and wait a while until they have ended."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=GRACE)


def is_cancelled() -> bool:
    """Say whether the running task was cancelled from outside; an error of a member is not that."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0

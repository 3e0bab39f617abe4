"""Arithmetic for many queries in one go: while one batch is computed, the next one gathers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Gathering"]

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


@dataclass(eq=False)
class Gathering(Generic[Item, Outcome]):
    """Items of queries that wait for the same work. All that wait are worked on together.

    `work` runs in a thread and returns an outcome for each of several items. If it fails for
    several, each of them is tried alone, so that one query cannot fail others.
    """

    work: Callable[[Sequence[Item]], Sequence[Outcome]]
    _waiting: list[tuple[Item, asyncio.Future[Outcome]]] = field(default_factory=list)
    _task: asyncio.Task[None] | None = None

    async def outcome(self, item: Item) -> Outcome:
        """Return the outcome of an item, worked on with whatever else waits."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._work_off())
        return await future

    async def _work_off(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._settle([each for each in batch if not each[1].done()])
        finally:
            self._task = None
            for _, future in self._waiting:
                future.cancel()

    async def _settle(self, batch: list[tuple[Item, asyncio.Future[Outcome]]]) -> None:
        """Work on a batch, and hand the outcomes or the error to those who wait."""
        if not batch:
            return
        work = asyncio.to_thread(_called, self.work, [item for item, _ in batch])
        try:
            (outcomes,) = await asyncio.gather(work, return_exceptions=True)
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        if isinstance(outcomes, BaseException):
            await self._tell(outcomes, batch)
            return
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)

    async def _tell(
        self, error: BaseException, batch: list[tuple[Item, asyncio.Future[Outcome]]]
    ) -> None:
        """Hand an error to the one that waits; of several, try each alone."""
        if len(batch) > 1:
            for each in batch:
                await self._settle([each])
        elif not batch[0][1].done():
            batch[0][1].set_exception(error)


def _called(
    work: Callable[[Sequence[Item]], Sequence[Outcome]], items: Sequence[Item]
) -> Sequence[Outcome]:
    """Call a function; StopIteration would get lost on the way out of a thread."""
    try:
        return work(items)
    except StopIteration as error:
        raise RuntimeError("StopIteration") from error

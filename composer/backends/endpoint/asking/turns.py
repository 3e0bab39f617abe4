"""Requests of two kinds, which some servers mix up when they answer both in one step."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Turns"]


class Turns:
    """Lets requests of one kind wait for those of the other, in the order in which they came.

    Nobody waits before `apart` is set: a server that answers both at once is faster.
    """

    def __init__(self) -> None:
        self.apart = False
        self._open = {False: 0, True: 0}
        self._door = asyncio.Lock()
        self._none_open = asyncio.Event()

    @asynccontextmanager
    async def turn(self, kind: bool) -> AsyncIterator[None]:  # noqa: FBT001
        """Send a request of a kind inside."""
        async with self._door:
            while self.apart and self._open[not kind]:
                self._none_open.clear()
                await self._none_open.wait()
            self._open[kind] += 1
        try:
            yield
        finally:
            self._open[kind] -= 1
            if not self._open[kind]:
                self._none_open.set()

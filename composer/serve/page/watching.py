"""One question of the page while it is answered: its events as a stream, and as a trace."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from composer.run.result import closed
from composer.serve.errors import ProtocolError, error_of
from composer.serve.page.events import EventWriter, json_text
from composer.serve.page.finished import result_events
from composer.serve.protocol.mailbox import Mailbox
from composer.serve.visits import VISIT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from concurrent.futures import Future

    from composer.run.events import Event
    from composer.run.result import Result
    from composer.serve.page.traces import KeptTrace, Traces

__all__ = ["WatchedRun"]

PAUSE = 15.0
"""Seconds without an event after which a comment keeps the connection open."""

MOST_WAITING = 10_000
"""The events that may wait until a slow reader takes what was sent; then the work is ended."""


class WatchedRun:
    """The events of one query. They come from other threads, and are read in an event loop."""

    def __init__(self, traces: Traces) -> None:
        self._mailbox = Mailbox(asyncio.get_running_loop())
        self._traces = traces
        self._writer = EventWriter()
        self._events: deque[Event] = deque()
        self._ready = asyncio.Event()
        self._is_sending = False
        self._visit = VISIT.get()

    def put(self, event: Event) -> None:
        """Take an event, in any thread."""
        self._mailbox.put(partial(self._add, event))

    def _add(self, event: Event) -> None:
        self._events.append(event)
        self._ready.set()
        if self._is_sending and len(self._events) > MOST_WAITING and self._visit is not None:
            text = f"{MOST_WAITING:,} events wait, since the reader takes them too slowly"
            self._visit.end(ProtocolError("E806", text, status=408))

    async def stream(
        self, question: Mapping[str, object], future: Future[Result]
    ) -> AsyncIterator[str]:
        """Yield server-sent events until the future is done; it is cancelled if nobody reads on."""
        future.add_done_callback(lambda _: self._mailbox.put(self._ready.set))
        trace = self._traces.begin()
        keep = partial(self._sent, trace)
        try:
            yield keep([json_text({"type": "begin", "trace": trace.id, **question})])
            while not future.done():
                self._is_sending = False
                try:
                    await asyncio.wait_for(self._ready.wait(), PAUSE)
                except TimeoutError:
                    yield ": still at work\n\n"
                else:
                    yield keep(self._lines())
            yield keep([*self._lines(), *_ending(future)])
        finally:
            if not future.done():
                future.cancel()
                keep([json_text({"type": "stopped"})])
            trace.is_open = False

    def _lines(self) -> list[str]:
        """Write the events that have come so far."""
        self._ready.clear()
        lines = []
        while self._events:
            lines.append(self._writer.write(self._events.popleft()))
        return lines

    def _sent(self, trace: KeptTrace, lines: list[str]) -> str:
        """Keep events in a trace, and return them as they are sent."""
        for line in lines:
            self._traces.add(trace, line)
        self._is_sending = True
        return "".join(f"data: {line}\n\n" for line in lines)


def _ending(future: Future[Result]) -> list[str]:
    """Return the last events: the answer and the result, or the error."""
    error = closed() if future.cancelled() else future.exception()
    if error is not None:
        return [json_text({"type": "error", **error_of(error).as_dict()})]
    return result_events(future.result())

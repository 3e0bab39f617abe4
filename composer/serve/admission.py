"""Which queries run and which wait: so many at a time, each model and each request in its turn.

Where a place is free, the model with the fewest running queries has it, and of that model's
waiting requests the one that was served longest ago. So neither a busy model nor a request with a
thousand prompts keeps the others waiting.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict, deque
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from composer.diagnostics.amounts import counted
from composer.run.result import closed
from composer.serve.errors import ProtocolError
from composer.serve.visits import VISIT, Visit

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Admission"]

T = TypeVar("T")

LONGEST_WAIT = 60
"""The most seconds that a refused client is told to wait."""

MEASURED = 64
"""The queries by whose ends the throughput is measured."""


class Lane:
    """The queries of one model: how many run, and those that wait, by their visits."""

    def __init__(self) -> None:
        self.running = 0
        self.waiting: OrderedDict[Visit, OrderedDict[AnyRun, None]] = OrderedDict()

    @property
    def length(self) -> int:
        """How many queries wait."""
        return sum(map(len, self.waiting.values()))

    def add(self, run: AnyRun) -> None:
        """Let a query wait."""
        self.waiting.setdefault(run.visit, OrderedDict())[run] = None

    def next(self) -> AnyRun:
        """Take the query whose turn it is; the visit's other ones wait for its next turn."""
        visit, runs = self.waiting.popitem(last=False)
        run, _ = runs.popitem(last=False)
        if runs:
            self.waiting[visit] = runs
        return run

    def remove(self, run: AnyRun) -> bool:
        """Let a query wait no more; False if it does not wait."""
        runs = self.waiting.get(run.visit)
        if runs is None or run not in runs:
            return False
        del runs[run]
        if not runs:
            del self.waiting[run.visit]
        return True


class AdmittedRun(Generic[T]):
    """One query of a visit: what begins it, and the future that whoever put it waits for."""

    def __init__(self, lane: Lane, visit: Visit, begin: Callable[[], Future[T]]) -> None:
        self.lane, self.visit, self.begin = lane, visit, begin
        self.context = copy_context()
        self.outcome: Future[T] = Future()
        self.inner: Future[T] | None = None

    def end(self, error: ProtocolError) -> None:
        """End it now: whoever waits for it gets the error."""
        with suppress(InvalidStateError):  # it has an outcome already
            self.outcome.set_exception(error)


AnyRun: TypeAlias = AdmittedRun[Any]


class Admission:
    """Lets at most `concurrency` queries run, and of each model `queue` requests wait.

    It may be used from any thread.
    """

    def __init__(self, concurrency: int = 64, queue: int = 256) -> None:
        self.concurrency, self.queue = concurrency, queue
        self._lock = threading.Lock()
        self._lanes: OrderedDict[str, Lane] = OrderedDict()
        self._running = 0
        self._ends: deque[float] = deque(maxlen=MEASURED)

    def submit(self, model: str, begin: Callable[[], Future[T]]) -> Future[T]:
        """Begin a query of the visit that is answered here, at once or when its turn comes.

        The future may be cancelled, and fails where the visit is ended. Raises ProtocolError
        (E805) if too many requests wait.
        """
        visit = VISIT.get() or Visit()
        with self._lock:
            lane = self._lanes.setdefault(model, Lane())
            run = AdmittedRun(lane, visit, begin)
            is_free = self._running < self.concurrency and not lane.waiting
            if not is_free and not visit.is_admitted and len(lane.waiting) >= self.queue:
                raise self._busy()
            visit.add(run)
            visit.is_admitted = True
            if is_free:
                self._take(run)
            else:
                lane.add(run)
        run.outcome.add_done_callback(lambda _: self._withdraw(run))
        if is_free:
            self._begin(run)
        return run.outcome

    def counts(self) -> list[tuple[str, int, int]]:
        """Return for each model how many of its queries run and how many wait."""
        with self._lock:
            return [(name, each.running, each.length) for name, each in self._lanes.items()]

    def _take(self, run: AnyRun) -> None:
        """Give a query its place."""
        self._running += 1
        run.lane.running += 1

    def _begin(self, run: AnyRun | None) -> None:
        """Begin a query that has a place, and the next ones where it ends at once."""
        while run is not None:
            try:
                run.visit.demand_open()
                run.inner = run.context.run(run.begin)
            except Exception as error:  # noqa: BLE001 - it is the query's, and is told to who asked
                with suppress(InvalidStateError):
                    run.outcome.set_exception(error)
                run = self._ended(run)
            else:
                self._follow(run, run.inner)
                return

    def _follow(self, run: AdmittedRun[T], inner: Future[T]) -> None:
        if run.outcome.done():  # it was withdrawn before it had begun
            inner.cancel()
        inner.add_done_callback(lambda done: self._settle(run, done))

    def _settle(self, run: AdmittedRun[T], inner: Future[T]) -> None:
        """Hand on how a query has ended, and begin the next one."""
        with suppress(InvalidStateError):  # nobody waits for it any more
            error = closed() if inner.cancelled() else inner.exception()
            if error is None:
                run.outcome.set_result(inner.result())
            else:
                run.outcome.set_exception(error)
        self._begin(self._ended(run))

    def _ended(self, run: AnyRun) -> AnyRun | None:
        """Take a query's place back; return the query that has it now."""
        run.visit.discard(run)
        with self._lock:
            self._running -= 1
            run.lane.running -= 1
            self._ends.append(time.monotonic())
            lanes = [(lane.running, name) for name, lane in self._lanes.items() if lane.waiting]
            if not lanes:
                return None
            fewest = min(running for running, _ in lanes)
            name = next(name for running, name in lanes if running == fewest)
            self._lanes.move_to_end(name)
            following = self._lanes[name].next()
            self._take(following)
            return following

    def _withdraw(self, run: AnyRun) -> None:
        """Stop a query that nobody waits for any more, whether it runs or waits."""
        with self._lock:
            waited = run.lane.remove(run)
        if waited:
            run.visit.discard(run)
        elif run.inner is not None:
            run.inner.cancel()

    def _busy(self) -> ProtocolError:
        """Return the error for a request that finds the queue full."""
        waiting = sum(lane.length for lane in self._lanes.values())
        text = (
            f"this server has {counted(self._running, 'query')} at work and {waiting:,} waiting, "
            "and lets no more wait"
        )
        return ProtocolError("E805", text, headers={"Retry-After": str(self._patience(waiting))})

    def _patience(self, waiting: int) -> int:
        """Return the seconds in which what waits now will have been answered, as things go."""
        if len(self._ends) < 2:  # noqa: PLR2004 - a rate needs two moments
            return 1
        seconds = time.monotonic() - self._ends[0]
        return min(max(1, math.ceil(waiting * seconds / len(self._ends))), LONGEST_WAIT)

"""The replicas of one pool: they are started, replaced when they die, and ended when idle.

All of it runs in the event loop of the ensemble. Each replica has a task from its start to its end
(`_run`). What they are asked is the business of `dispatcher.py`.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from composer.cluster.dispatcher import ROOM, Dispatcher
from composer.cluster.handles import ReplicaLost
from composer.cluster.live_replica import LiveReplica, handshake
from composer.cluster.scaling import Load, wanted
from composer.diagnostics import Diagnostic
from composer.diagnostics.amounts import counted
from composer.run.timeouts import ended
from composer.values import ModelError
from composer.values.errors import described

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.cluster.handles import Handle, Launch
    from composer.cluster.wire import Setup
    from composer.compiler.plan.pools import Pool
    from composer.run.engine_host import LoadingTimer
    from composer.values import Request

__all__ = ["ReplicaPool"]

STARTS = 3
"""How often in a row replicas may die while they load."""

LOOK = 0.5
"""Seconds between two looks at how many replicas there should be."""

RETRY = 10.0
"""Seconds after a failed start before the next one, where other replicas answer."""


class ReplicaPool:
    """Replicas of one pool. The first ones start with the first request."""

    def __init__(  # noqa: PLR0913 - what a pool is opened with
        self,
        pool: Pool,
        setup: Setup,
        launch: Launch,
        *,
        timer: LoadingTimer,
        warn: Callable[[Diagnostic], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool, self._setup, self._launch = pool, setup, launch
        self._timer, self._warn, self._clock = timer, warn, clock
        self._dispatcher, self.room = Dispatcher(clock), ROOM * pool.most
        self._tasks: set[asyncio.Task[None]] = set()
        self._watching: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._loading = ExitStack()
        self._deaths = 0
        self._error: ModelError | None = None
        self._pause_ends = 0.0

    async def ask(self, request: Request[Any], on_text: Callable[[str], None] | None = None) -> Any:  # noqa: ANN401 - the result of the request
        """Put a request to a replica; raises what it raises, or why there is none (E73x)."""
        self._begin()
        return await self._dispatcher.ask(request, on_text)

    async def ready(self) -> None:
        """Wait until a replica is ready; raises ModelError where there can be none."""
        self._begin()
        while not self._dispatcher.replicas:
            self._changed.clear()
            await self._changed.wait()
            if self._error is not None:
                raise self._error

    async def close(self) -> None:
        """End all replicas."""
        tasks = [*self._tasks, *filter(None, [self._watching])]
        self._tasks, self._watching = set(), None
        await ended(tasks)
        self._loading.close()

    def _begin(self) -> None:
        """Start the first replicas, unless there are some; raises what has failed just now."""
        if self._error is not None and self._clock() < self._pause_ends:
            raise self._error
        self._error = None
        if self._watching is None:
            self._watching = asyncio.ensure_future(self._watch())
        if not self._tasks:
            self._scale()

    async def _watch(self) -> None:
        """Look from time to time how many replicas there should be, until none can be had."""
        while self._error is None:
            await asyncio.sleep(LOOK)
            self._scale()
        self._watching = None

    def _scale(self) -> None:
        """Start or end a replica, where there should be more or fewer."""
        replicas, idlest = self._dispatcher.replicas, self._dispatcher.idlest()
        idle = 0.0 if idlest is None else self._clock() - idlest.idle_since
        load = Load(len(replicas), len(self._tasks) - len(replicas), self._dispatcher.waits, idle)
        more = wanted(load, self._pool.fewest, self._pool.most) - len(self._tasks)
        if more < 0 and idlest is not None:
            self._dispatcher.replicas.remove(idlest)
            idlest.life.cancel()
        elif self._error is None and self._clock() >= self._pause_ends:
            for _ in range(more):
                self._start()

    def _start(self) -> None:
        """Start a replica; while there is no other one, that counts as loading."""
        if not self._tasks:
            self._loading.close()
            self._loading.enter_context(self._timer.loading(self._pool.name))
        life = asyncio.ensure_future(self._run())
        self._tasks.add(life)
        life.add_done_callback(self._ended)

    def _ended(self, life: asyncio.Task[None]) -> None:
        self._tasks.discard(life)
        if not life.cancelled():
            self._scale()

    async def _run(self) -> None:
        """Run one replica from its start to its end."""
        handle: Handle | None = None
        try:
            handle = await self._launch(self._pool)
            await handshake(handle, self._setup)
            await self._serve(handle)
        except ReplicaLost as lost:
            self._note_death(handle, lost)
        except Exception as error:  # noqa: BLE001 - nobody must wait for a replica that is gone
            self._fail(ModelError(*described(error)))
        finally:
            if handle is not None:
                handle.kill()

    async def _serve(self, handle: Handle) -> None:
        """Let a replica that is ready answer, until it dies or is ended."""
        life = asyncio.current_task()
        assert life is not None
        replica = LiveReplica(handle, life, self._clock())
        self._deaths = 0
        self._dispatcher.join(replica)
        self._loading.close()
        self._changed.set()
        try:
            while True:
                self._dispatcher.receive(replica, await handle.take())
        except ReplicaLost as lost:
            self._bury(replica, replica.failure or lost)
        except Exception as error:  # noqa: BLE001 - nobody must wait for what it tells no more
            self._bury(replica, ReplicaLost(described(error)[1]))

    def _bury(self, replica: LiveReplica, lost: ReplicaLost) -> None:
        """Put again what a replica had that died, and say so."""
        again, caused = self._dispatcher.leave(replica, lost)
        rest = f"; {counted(again, 'request')} {'is' if again == 1 else 'are'} put again"
        cause = "; one is taken for the cause and left out" if caused else ""
        self._tell(_death(self._pool, replica.handle, lost.reason + rest + cause))

    def _note_death(self, handle: Handle | None, lost: ReplicaLost) -> None:
        """Note that a replica died while it loaded; some such deaths in a row are a failure."""
        self._deaths += 1
        if self._deaths < STARTS:
            self._tell(_death(self._pool, handle, lost.reason))
            return
        self._deaths = 0
        text = f"replicas of `{self._pool.name}` die while they load: {lost.reason}"
        help_ = "ask in one process to see why: without `--ray`; or ask for more memory"
        self._fail(ModelError("E733", text, help_))

    def _fail(self, error: ModelError) -> None:
        """A replica cannot be had: say so, or fail all requests where there is no other one."""
        self._pause_ends = self._clock() + RETRY
        self._tasks = {life for life in self._tasks if life is not asyncio.current_task()}
        if self._tasks:
            self._tell(Diagnostic("W704", error.message, help=error.help))
            return
        self._error = error
        self._dispatcher.fail_all(error)
        self._loading.close()
        self._changed.set()

    def _tell(self, warning: Diagnostic) -> None:
        """Tell a warning; where warnings are raised as errors, the work goes on all the same."""
        with suppress(Exception):
            self._warn(warning)


def _death(pool: Pool, handle: Handle | None, what: str) -> Diagnostic:
    where = "" if handle is None else f" on {handle.place}"
    return Diagnostic("W704", f"a replica of `{pool.name}`{where} died: {what}")

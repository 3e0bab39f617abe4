"""The engine: one thread that runs the sessions of all jobs, step by step.

A job becomes a session once its models are in memory (`_admit`). In each step (`_advance`) the
requests of all sessions are answered together; each session is sent its replies and gives its next
requests, until it returns the job's result.
"""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Self, TypeVar

import torch

from composer.engine.flights import Flights
from composer.engine.group import Group
from composer.engine.pool import ModelPool, PoolFull
from composer.engine.requests.base import Failed
from composer.engine.sessions.choose_session import choose_session
from composer.engine.sessions.score import perplexity, score
from composer.engine.sessions.teacher_forcing import teacher_force
from composer.engine.static.setting import where_static
from composer.engine.static.steps import StaticSteps
from composer.engine.step import engine_step, ready
from composer.engine.task import Task
from composer.engine.weights.local import attach, load
from composer.quiet import quiet
from composer.specs import Fuse, Prompted, TokenFuse, bare, leaves
from composer.values.errors import ModelError
from composer.values.flow import Query
from composer.values.requests import Generate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from composer.engine.requests.base import AnyRequest, Batch, Replies
    from composer.engine.rows.remote import NextTokenSource
    from composer.engine.rows.runner import AnyRunner
    from composer.engine.sessions.base import Session
    from composer.engine.sessions.teacher_forcing import MemberReadings
    from composer.engine.task import AnyTask
    from composer.engine.weights.local import LocalModel
    from composer.specs.models import Checkpoint
    from composer.values.flow import Model
    from composer.values.requests import ScoreTexts
    from composer.values.results import Completion, Score

__all__ = ["Engine"]

T = TypeVar("T")


class Engine:
    """Runs jobs on local models; all jobs of a model share its forward passes.

    `devices` maps each device to the bytes that weights may take there (default: all devices and
    their free memory). `rows` is the largest number of sequences in one model's cache. `loader`
    loads a model onto a device, and `attach` an adapter beside its base. One thread drives all
    devices: work on GPUs is queued, so that members on several GPUs compute at the same time. `ask`
    gives what asks the server of a model that is fused token by token. `static` says where steps
    have fixed shapes (default: on GPUs, see COMPOSE_STATIC). Methods may be called from any thread;
    their futures raise ModelError for what goes wrong with the job.
    """

    def __init__(  # noqa: PLR0913  # all have defaults
        self,
        devices: Mapping[str, int] | None = None,
        rows: int = 64,
        loader: Callable[[Checkpoint, str], LocalModel] = load,
        attach: Callable[[Checkpoint, LocalModel], int] = attach,
        ask: Callable[[Checkpoint], NextTokenSource] | None = None,
        static: StaticSteps | None = None,
    ) -> None:
        self._pool = ModelPool(devices, loader, attach, ask, self._wake, self._forget)
        self._flights = Flights()
        self._static = static or StaticSteps(where_static())
        self._rows = rows
        self._groups: dict[Model, Group] = {}
        self._inbox: SimpleQueue[Sequence[AnyTask] | None] = SimpleQueue()
        self._waiting: list[AnyTask] = []
        self._active: list[AnyTask] = []
        self._open = True
        self._stuck = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._loop, name="engine", daemon=True)
        self._thread.start()

    def generate(
        self, job: Generate, on_text: Callable[[str], None] | None = None
    ) -> Future[Completion]:
        """Generate an answer; `on_text` gets each new piece of text, in the engine's thread."""
        task = self.task(job, on_text)
        self.begin([task])
        return task.future

    def task(self, job: Generate, on_text: Callable[[str], None] | None) -> Task[Completion]:
        """Return the job of an answer, in the context of whoever asks; `begin` begins it."""
        members, start = choose_session(job, on_text)
        inner = bare(job.model)
        return Task(
            members,
            lambda: start([self._group(member) for member in members]),
            Future(),
            rows=inner.branches if isinstance(inner, Fuse) else 0,
        )

    def begin(self, tasks: Sequence[AnyTask]) -> None:
        """Queue jobs. Those of one call begin in one step, so that equal prompts are read once."""
        with self._lock:  # or a job could be queued after the thread has read its last
            if not self._open:
                raise ModelError("E707", "the engine is closed")
            self._inbox.put(tasks)
        for task in tasks:
            task.future.add_done_callback(self._notice)

    def score(self, job: ScoreTexts, text: str, *, end: bool = False) -> Future[Score]:
        """Log-probabilities of a text after the job's query, or alone if it has none.

        `end` also scores the end after the text.
        """
        model = job.model
        return self._submit((model,), lambda: score(self._group(model), job, text, end=end))

    def perplexity(self, job: ScoreTexts) -> Future[Score]:
        """Log-probabilities of the tokens of the job's query: rendered for the model, or raw."""
        return self._submit((job.model,), lambda: perplexity(self._group(job.model), job))

    def teacher_force(
        self, model: Model, query: Query, text: str, *, hidden: bool = False
    ) -> Future[MemberReadings]:
        """Each member's distributions at each token of a given answer; nothing is generated.

        `hidden` also gives the first member's last hidden states.
        """
        return self._submit(
            (model,), lambda: teacher_force(self._group(model), query, text, hidden=hidden)
        )

    def run(
        self, model: Model, session: Callable[[Group], Session[T]], *, holds: bool = False
    ) -> Future[T]:
        """Run a session of a model; one that `holds` rows does not wait until others are free.

        It may leave rows open for a later session, which must close them.
        """
        task = Task((model,), lambda: session(self._group(model)), Future(), holds=holds)
        self.begin([task])
        return task.future

    def run_all(
        self, model: Model, sessions: Sequence[Callable[[Group], Session[T]]]
    ) -> list[Future[T]]:
        """Run sessions of a model that begin in one step, so that each time they share passes."""
        tasks = [
            Task((model,), partial(_begun, self._group, model, session), Future[T]())
            for session in sessions
        ]
        self.begin(tasks)
        return [task.future for task in tasks]

    def load(self, model: Model) -> Future[None]:
        """Load a model, and make the groups that its answers need, before the first job does."""
        members, _ = choose_session(Generate(model, Query.of("")), None)

        async def loaded() -> None:
            """Ask nothing."""

        def start() -> Session[None]:
            for member in members:
                self._group(member)
            return loaded()

        return self._submit(members, start)

    def close(self, patience: float | None = None) -> None:
        """Cancel all jobs and end the thread; wait `patience` seconds (None: as long as it takes).

        A forward pass that has begun runs to its end.
        """
        with self._lock:
            was_open, self._open = self._open, False
            if was_open:
                self._inbox.put(None)
        if was_open:
            self._thread.join(patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _wake(self) -> None:
        """Let the thread go on, since a server has replied; called in any thread."""
        self._inbox.put(())

    def _notice(self, future: Future[T]) -> None:
        """Let the thread see at once that a job was cancelled; it may be waiting for a server."""
        if future.cancelled():
            self._wake()

    def _submit(self, members: tuple[Model, ...], start: Callable[[], Session[T]]) -> Future[T]:
        task = Task(members, start, Future())
        self.begin([task])
        return task.future

    def stack(self, models: Iterable[Checkpoint], most: int) -> None:
        """Let models of one shape step as one, with at most so many tokens of each in a step.

        That is tried when all of them are in memory; where it is not right, they step apart.
        """
        self._pool.stacks.want(models, most)

    def _group(self, model: Model) -> Group:
        """Return the group of a model; jobs whose models differ in weights only share one."""
        key = _without_weights(model)
        if key not in self._groups:
            models = list(leaves(model))
            runners = dict(zip(models, self._pool.get(models), strict=True))
            self._groups[key] = Group(key, runners)
        return self._groups[key]

    def _loop(self) -> None:
        with torch.inference_mode():  # to the end: closing a session changes its rows, too
            self._run()

    def _run(self) -> None:
        """Run steps until the engine is closed; then end all jobs that are left."""
        error: BaseException = ModelError("E707", "the engine was closed")
        try:
            while self._receive():
                self._admit()
                self._advance()
        except BaseException as failure:  # noqa: BLE001  # nobody must wait for a thread that is gone
            error = failure
        with self._lock:
            self._open = False
        for task in [*self._active, *self._waiting, *self._unread()]:
            task.close()
            task.fail(error)

    def _unread(self) -> Iterator[AnyTask]:
        """Take the jobs that are still in the inbox."""
        while not self._inbox.empty():
            yield from self._inbox.get() or ()

    def _receive(self) -> bool:
        """Move new jobs from the inbox to the waiting list; False if the engine is closed.

        Waits for a job, or for a server's reply, if there is nothing else to do.
        """
        busy = self._is_busy()
        while True:
            try:
                tasks = self._inbox.get(block=not busy)
            except Empty:
                return True
            if tasks is None:
                return False
            self._waiting += tasks
            busy = True

    def _is_busy(self) -> bool:
        """Whether a step can do something before a job or a reply comes in."""
        fly = self._flights and all(r in self._flights for r in ready(self._unanswered()))
        if fly and not self._flights.unsent:
            return False
        return bool(self._active or (self._waiting and not self._stuck))

    def _unanswered(self) -> list[AnyRequest]:
        """The requests of all sessions that have no reply yet."""
        return [r for task in self._active for r in task.pending if r not in task.replies]

    def _admit(self) -> None:
        """Start waiting jobs in the order in which they came, as long as memory allows it.

        Those that hold rows come first.
        """
        self._waiting.sort(key=lambda task: not task.holds)
        self._stuck = False
        while self._waiting:
            task = self._waiting[0]
            if not task.future.cancelled():
                try:
                    runners = self._load(task)
                    if runners is None or not self._fits(task, runners):
                        self._stuck = not self._active  # what holds rows must end them first
                        return
                    with quiet():
                        task.session = task.context.run(task.start)
                except BaseException as error:  # noqa: BLE001  # it is the job's, not the loop's
                    task.fail(error)
                else:
                    self._active.append(task)
                    first_step = partial(task.session.send, None)
                    self._resume(task, first_step)  # from here on its rows keep its models loaded
            self._waiting.pop(0)

    def _load(self, task: AnyTask) -> list[AnyRunner] | None:
        """Load a job's models, in place of idle ones if need be; None while there is no room.

        Raises ModelError (E601) if there is no room though no job runs.
        """
        models = [model for member in task.members for model in leaves(member)]
        try:
            return self._pool.get(models)
        except PoolFull:
            if self._active or not all(runner.idle for runner in self._pool.runners()):
                return None
            raise ModelError(
                "E601",
                "there is not enough memory for "
                f"{', '.join(sorted({m.name for m in models}))} together",
            ) from None

    def _forget(self) -> None:
        """Forget groups, which would keep unloaded models in memory; a session has its own."""
        self._groups.clear()
        self._static.forget()

    def _fits(self, task: AnyTask, runners: Sequence[AnyRunner]) -> bool:
        """Whether the caches of a job's models have enough free rows, with those of forks."""
        if task.holds:
            return True
        forks = len(task.members) ** 2 if len(task.members) > 1 else 0
        forks = max(forks, task.rows) + sum(each.rows for each in self._active)
        return all(
            runner.idle or len(runner.rows.live) + count + forks <= self._rows
            for runner, count in Counter(runners).items()
        )

    def _advance(self) -> None:
        """Run one engine step for all active jobs."""
        for task in [task for task in self._active if task.future.cancelled()]:
            self._active.remove(task)
            task.close()
        requests = self._unanswered()
        self._flights.forget(requests)
        if requests:
            with quiet():
                replies = engine_step(requests, self._flights, self._static)
            for task in list(self._active):
                self._reply(task, replies)

    def _reply(self, task: AnyTask, replies: Replies) -> None:
        """Send a session its replies once it has all of them; `Failed` for a failed request."""
        assert task.session is not None
        for request in task.pending:
            if request in replies.errors:
                task.replies[request] = Failed(replies.errors[request])
            elif request in replies.values:
                task.replies[request] = replies.values[request]
        if len(task.replies) == len(task.pending):
            in_order = [task.replies[request] for request in task.pending]
            self._resume(task, partial(task.session.send, in_order))

    def _resume(self, task: AnyTask, advance: Callable[[], Batch]) -> None:
        """Let a session run to its next requests, or to its result."""
        task.replies.clear()
        try:
            task.pending = task.context.run(advance)
        except StopIteration as end:
            self._active.remove(task)
            task.succeed(end.value)
        except BaseException as error:  # noqa: BLE001  # it is the job's, not the loop's
            self._active.remove(task)
            task.fail(error)


def _begun(
    group: Callable[[Model], Group], model: Model, session: Callable[[Group], Session[T]]
) -> Session[T]:
    return session(group(model))


def _without_weights(model: Model) -> Model:
    """Return the model without the weights of its outermost fuse."""
    if isinstance(model, Prompted):
        return replace(model, model=_without_weights(model.model))
    return replace(model, weights=None) if isinstance(model, TokenFuse) else model

"""The engine: one thread that admits jobs and ticks for all of them until they are done."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field, replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, Self, TypeAlias, TypeVar

import torch

from composer.engine.group import Group
from composer.engine.pool import ModelPool, PoolFull
from composer.engine.sessions.choose_session import choose_session
from composer.engine.sessions.score import perplexity, score
from composer.engine.sessions.teacher_forcing import teacher_force
from composer.engine.step import engine_step
from composer.engine.weights.local import load
from composer.quiet import quiet
from composer.specs import Prompted, TokenFuse, leaves
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from composer.engine.requests.base import AnyRequest, Batch, Replies
    from composer.engine.rows.runner import Runner
    from composer.engine.sessions.base import Session
    from composer.engine.sessions.teacher_forcing import MemberReadings
    from composer.engine.weights.local import LocalModel
    from composer.specs.models import Checkpoint
    from composer.values.flow import Model, Query
    from composer.values.requests import Completion, Generate, Score, ScoreTexts

__all__ = ["Engine"]

T = TypeVar("T")


@dataclass(eq=False)
class _Task(Generic[T]):
    """A job on its way: `start` makes its session once its models are there."""

    members: tuple[Model, ...]
    start: Callable[[], Session[T]]
    future: Future[T]
    session: Session[T] | None = None
    pending: Batch = ()
    replies: dict[AnyRequest, object] = field(default_factory=dict)


AnyTask: TypeAlias = _Task[Any]


class Engine:
    """Answers jobs on local models; whatever is under way shares passes, whoever asked.

    `devices` maps devices to the bytes that models may take there; by default all there are.
    `rows` is how many texts one model reads at a time. One thread drives all devices: a GPU's
    work is queued, so that members on several of them compute at the same time. `loader` loads a
    model onto a device.
    """

    def __init__(
        self,
        devices: Mapping[str, int] | None = None,
        rows: int = 64,
        loader: Callable[[Checkpoint, str], LocalModel] = load,
    ) -> None:
        self._pool = ModelPool(devices, loader)
        self._rows = rows
        self._groups: dict[Model, Group] = {}
        self._inbox: SimpleQueue[AnyTask | None] = SimpleQueue()
        self._waiting: list[AnyTask] = []
        self._active: list[AnyTask] = []
        self._open = True
        self._door = threading.Lock()
        self._thread = threading.Thread(target=self._loop, name="engine", daemon=True)
        self._thread.start()

    def generate(
        self, job: Generate, on_text: Callable[[str], None] | None = None
    ) -> Future[Completion]:
        """Write an answer; `on_text` is called in the engine's thread, with whole characters."""
        parts, start = choose_session(job, on_text)
        return self._submit(parts, lambda: start([self._group(part) for part in parts]))

    def score(self, asked: ScoreTexts, text: str, *, end: bool = False) -> Future[Score]:
        """Log-probabilities of a text as the answer to a query, or, without one, of a text alone.

        `end` also asks for the end after it.
        """
        model = asked.model
        return self._submit((model,), lambda: score(self._group(model), asked, text, end=end))

    def perplexity(self, model: Model, query: Query) -> Future[Score]:
        """Log-probabilities of a query's own tokens, as it is rendered for the model."""
        return self._submit((model,), lambda: perplexity(self._group(model), model, query))

    def teacher_force(
        self, model: Model, query: Query, text: str, *, hidden: bool = False
    ) -> Future[MemberReadings]:
        """What each member of a fuse says while an answer is read to it; nothing is written."""
        return self._submit(
            (model,), lambda: teacher_force(self._group(model), query, text, hidden=hidden)
        )

    def close(self, patience: float | None = None) -> None:
        """Cancel what is under way and end the thread; a pass ends first, if there is patience."""
        with self._door:
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

    def _submit(self, members: tuple[Model, ...], start: Callable[[], Session[T]]) -> Future[T]:
        future: Future[T] = Future()
        with self._door:  # or a job could be put behind the last thing that is read
            if not self._open:
                raise ModelError("E707", "the engine is closed")
            self._inbox.put(_Task(members, start, future))
        return future

    def _group(self, model: Model) -> Group:
        """The group of a model: one for all jobs that differ in weights only."""
        key = _without_weights(model)
        if key not in self._groups:
            models = list(leaves(model))
            runners = dict(zip(models, self._pool.get(models), strict=True))
            self._groups[key] = Group(key, runners)
        return self._groups[key]

    def _loop(self) -> None:
        with torch.inference_mode():  # to the end: closing a session gives its rows back
            self._work()

    def _work(self) -> None:
        error: BaseException = ModelError("E707", "the engine was closed")
        try:
            while self._receive():
                self._admit()
                self._advance()
        except BaseException as problem:  # noqa: BLE001  # nobody must wait for a thread that is gone
            error = problem
        with self._door:
            self._open = False
        for task in [*self._active, *self._waiting, *self._drain()]:
            _end(task)
            _fail(task, error)

    def _drain(self) -> Iterator[AnyTask]:
        """Take out what came in and was never looked at."""
        while not self._inbox.empty():
            task = self._inbox.get()
            if task is not None:
                yield task

    def _receive(self) -> bool:
        """Take what came in; wait for it if there is nothing else to do."""
        busy = bool(self._active or self._waiting)
        while True:
            try:
                task = self._inbox.get(block=not busy)
            except Empty:
                return True
            if task is None:
                return False
            self._waiting.append(task)
            busy = True

    def _admit(self) -> None:
        """Start jobs in the order in which they came, as long as there is room for them."""
        while self._waiting:
            task = self._waiting[0]
            if not task.future.cancelled():
                try:
                    runners = self._load(task)
                    if runners is None or not self._fits(task, runners):
                        return
                    with quiet():
                        task.session = task.start()
                except BaseException as error:  # noqa: BLE001  # it is the job's, not the loop's
                    _fail(task, error)
                else:
                    self._active.append(task)
                    begin = partial(task.session.send, None)
                    self._go_on(task, begin)  # its rows keep its models in memory from here on
            self._waiting.pop(0)

    def _load(self, task: AnyTask) -> list[Runner] | None:
        """Load a job's models, into the place of idle ones; None while there is no place."""
        models = [model for member in task.members for model in leaves(member)]
        before = self._pool.runners()
        try:
            return self._pool.get(models)
        except PoolFull:
            if self._active:
                return None
            raise ModelError(
                "E601",
                "there is not enough memory for "
                f"{', '.join(sorted({m.name for m in models}))} together",
            ) from None
        finally:
            if set(self._pool.runners()) != set(before):
                self._groups.clear()  # they hold on to runners

    def _fits(self, task: AnyTask, runners: Sequence[Runner]) -> bool:
        """Whether a job's models have rows to spare."""
        need = Counter(runners)
        forks = len(task.members) ** 2 if len(task.members) > 1 else 0
        return all(
            runner.idle or len(runner.rows.live) + count + forks <= self._rows
            for runner, count in need.items()
        )

    def _advance(self) -> None:
        """One tick for all active jobs."""
        for task in [task for task in self._active if task.future.cancelled()]:
            self._active.remove(task)
            _end(task)
        requests = [r for task in self._active for r in task.pending if r not in task.replies]
        if requests:
            with quiet():
                replies = engine_step(requests)
            for task in list(self._active):
                self._take(task, replies)

    def _take(self, task: AnyTask, replies: Replies) -> None:
        """Hand a job its replies once it has all of them, or the first error of one."""
        assert task.session is not None
        error = next((replies.errors[r] for r in task.pending if r in replies.errors), None)
        if error is not None:
            self._go_on(task, partial(task.session.throw, error))
            return
        for request in task.pending:
            if request in replies.values:
                task.replies[request] = replies.values[request]
        if len(task.replies) == len(task.pending):
            outcomes = [task.replies[request] for request in task.pending]
            self._go_on(task, partial(task.session.send, outcomes))

    def _go_on(self, task: AnyTask, advance: Callable[[], Batch]) -> None:
        """Let a job's session advance to what it awaits next."""
        task.replies.clear()
        try:
            task.pending = advance()
        except StopIteration as end:
            self._active.remove(task)
            _settle(task.future, end.value)
        except BaseException as error:  # noqa: BLE001  # it is the job's, not the loop's
            self._active.remove(task)
            _fail(task, error)


def _without_weights(model: Model) -> Model:
    """The model with its outermost fuse's weights left open."""
    if isinstance(model, Prompted):
        return replace(model, model=_without_weights(model.model))
    return replace(model, weights=None) if isinstance(model, TokenFuse) else model


def _settle(future: Future[T], value: T) -> None:
    if future.set_running_or_notify_cancel():
        future.set_result(value)


def _end(task: AnyTask) -> None:
    """Close a job's session, which gives its rows back; what that raises ends nobody else's."""
    if task.session is not None:
        with contextlib.suppress(BaseException):
            task.session.close()


def _fail(task: AnyTask, error: BaseException) -> None:
    """Hand a job what it failed with; what would end a thread ends the job only."""
    if not isinstance(error, Exception):
        error = ModelError("E701", f"the answer ended with {type(error).__name__}")
    try:
        if task.future.set_running_or_notify_cancel():
            task.future.set_exception(error)
    except InvalidStateError:
        pass

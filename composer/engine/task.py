"""A job in the engine, from its submission to its result or error."""

from __future__ import annotations

import contextlib
from concurrent.futures import Future, InvalidStateError
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from composer.engine.memory import memory_full, ran_out
from composer.values.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.engine.requests.base import AnyRequest, Batch
    from composer.engine.sessions.base import Session
    from composer.values.flow import Model

__all__ = ["AnyTask", "Task"]

T = TypeVar("T")


@dataclass(eq=False)
class Task(Generic[T]):
    """A job in the engine: `start` makes its session once the models of `members` are loaded.

    The session awaits replies to the requests in `pending`; `replies` are those it has already.
    `future` gets the result or the error. A model's cache keeps `rows` free for it, besides its
    first row. The session runs in the `context` of its job's maker, so that it knows that one's
    ledger. One that `holds` rows of earlier sessions waits for no others, which may wait for these
    rows.
    """

    members: tuple[Model, ...]
    start: Callable[[], Session[T]]
    future: Future[T]
    session: Session[T] | None = None
    pending: Batch = ()
    replies: dict[AnyRequest, object] = field(default_factory=dict)
    rows: int = 0
    context: Context = field(default_factory=copy_context)
    holds: bool = False

    def succeed(self, value: T) -> None:
        """Set the job's result, unless it was cancelled."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_result(value)

    def fail(self, error: BaseException) -> None:
        """Set the job's error.

        One that says that memory ran out becomes ModelError (E730), and one that would end the
        thread another (E701).
        """
        if ran_out(error):
            error = memory_full(error)
        elif not isinstance(error, Exception):
            error = ModelError("E701", f"the answer ended with {type(error).__name__}")
        try:
            if self.future.set_running_or_notify_cancel():
                self.future.set_exception(error)
        except InvalidStateError:
            pass

    def close(self) -> None:
        """Close the session, which frees its rows; an error of this does not reach other jobs."""
        if self.session is not None:
            with contextlib.suppress(BaseException):
                self.session.close()


AnyTask: TypeAlias = Task[Any]

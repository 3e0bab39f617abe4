"""Recursion as deep as memory allows: coroutines that await one another on a stack of our own.

A call of a `deep` function that is awaited goes on in `run`, one that is not deep inside of whoever
awaits it. So of functions that call each other in a circle one is deep, and the others need not be.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class DeepCall(Generic[T_co]):
    """A call of a `deep` function, which goes on when it is awaited, and then has its result."""

    __slots__ = ("coroutine", "result")
    result: T_co

    def __init__(self, coroutine: Coroutine[DeepCall[object], None, T_co]) -> None:
        self.coroutine = coroutine

    def __await__(self) -> Generator[DeepCall[object], None, T_co]:
        """Hand the work over to `run`, and take its result."""
        yield self
        return self.result


def deep(function: Callable[P, Coroutine[DeepCall[object], None, T]]) -> Callable[P, DeepCall[T]]:
    """Make a coroutine function one whose calls may await each other however deep they go."""

    @wraps(function)
    def work(*args: P.args, **kwargs: P.kwargs) -> DeepCall[T]:
        return DeepCall(function(*args, **kwargs))

    return work


def run(work: DeepCall[T]) -> T:
    """Do a piece of work and all that it awaits; what goes wrong is raised where it is awaited."""
    stack: list[DeepCall[object]] = [work]
    error_: BaseException | None = None
    while stack:
        coroutine = stack[-1].coroutine
        try:
            awaited = coroutine.send(None) if error_ is None else coroutine.throw(error_)
        except StopIteration as stop:
            stack.pop().result = stop.value
            error_ = None
        except BaseException as error:
            stack.pop()
            if not stack:
                raise
            error_ = error
        else:
            stack.append(awaited)
            error_ = None
    return work.result
